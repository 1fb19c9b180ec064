import assert from 'node:assert/strict';
import { status } from '@grpc/grpc-js';
import { TYPE } from '../../../../src/xds/resource.ts';
import { codecOf } from '../../../support/adsClient.ts';
import { checklist, DISCOVERY_PROTO, eventsOf, PROTOCOL } from './rig.ts';

const UNKNOWN = 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig';

checklist('first requests', `${PROTOCOL}#basic-protocol-overview`, ({ both, delta, sotw }) => {
  both('the first request is answered with what was subscribed to', async (rig) => {
    rig.publish({ cds: { a: '1' }, eds: { a: '1', b: '1' } });
    const sidecar = rig.open();
    sidecar.want('eds', ['a']);
    await sidecar.hears('eds +a@1');
    sidecar.want('cds');
    await sidecar.hears('cds +a@1');
  });

  both('a request before the first snapshot is answered when that comes', async (rig) => {
    const sidecar = rig.open();
    sidecar.want('cds');
    sidecar.want('eds', ['b', 'nobody']);
    await eventsOf(rig, 'opened');
    rig.publish({ cds: { b: '1' }, eds: { a: '1', b: '1' } });
    await sidecar.hears('cds +b@1', { delta: 'eds +b@1 -nobody', sotw: 'eds +b@1' });
  });

  both('the server may send more whenever what is subscribed to changes', async (rig) => {
    const sidecar = await rig.settled({ eds: { a: '1', b: '1' } });
    rig.publish({ eds: { a: '1', b: '2' } });
    await sidecar.hears('eds +b@2');
    sidecar.ack('eds');
    rig.publish({ eds: { a: '2', b: '2', c: '1' } });
    await sidecar.hears('eds +a@2');
  });

  both('every response has a nonce, a version and the type of its resources', async (rig) => {
    rig.publish({ cds: { a: '1' }, sds: { s: '1' } });
    const sidecar = rig.open();
    sidecar.want('cds');
    await sidecar.hears('cds +a@1');
    sidecar.want('sds', ['s', 'nobody']);
    await sidecar.hears({ delta: 'sds +s@1 -nobody', sotw: 'sds +s@1' });
    const [cds, sds] = [sidecar.last('cds'), sidecar.last('sds')];
    for (const { nonce, version } of [cds, sds]) assert.ok(nonce !== '' && version !== '');
    assert.notEqual(cds.nonce, sds.nonce);
    assert.deepEqual([cds.resources[0]?.typeUrl, sds.resources[0]?.typeUrl], [TYPE.cds, TYPE.sds]);
  });

  both('the version of a type changes with each of its resources, and only with them', async (rig) => {
    const sidecar = await rig.settled({ cds: { a: '1', b: '1' }, eds: { a: '1' } });
    const versions = [sidecar.last('cds').version];
    rig.publish({ cds: { a: '1', b: '2' }, eds: { a: '2' } });
    await sidecar.hears({ delta: 'cds +b@2', sotw: 'cds +a@1 +b@2' }, 'eds +a@2');
    versions.push(sidecar.last('cds').version);
    sidecar.ack('cds');
    rig.publish({ cds: { a: '1', b: '1' }, eds: { a: '2' } });
    await sidecar.hears({ delta: 'cds +b@1', sotw: 'cds +a@1 +b@1' });
    assert.equal(sidecar.last('cds').version, versions[0]);
    assert.notEqual(versions[0], versions[1]);
  });

  delta('resources carry their name and version', async (rig) => {
    rig.publish({ cds: { a: '1' } });
    const sidecar = rig.open();
    sidecar.want('cds');
    await sidecar.hears('cds +a@1');
    const [resource] = sidecar.last('cds').resources;
    assert.deepEqual([resource?.name, resource?.version], ['a', '1']);
  });

  both('the node stands in the first message of the stream only, whatever its type', async (rig) => {
    rig.publish({ cds: { a: '1' }, sds: { s: '1' } });
    const sidecar = rig.open();
    sidecar.want('sds', ['s']);
    await sidecar.hears('sds +s@1');
    sidecar.want('cds');
    await sidecar.hears('cds +a@1');
    const opened = await eventsOf(rig, 'opened');
    assert.deepEqual(
      opened.map(({ node }) => node.id),
      ['prod/web/1'],
    );
  });

  both('a node may be said again, or be empty, on any message', async (rig) => {
    rig.publish({ cds: { a: '1' }, lds: { l: '1' } });
    const sidecar = rig.open();
    sidecar.want('cds', [], { nodeId: 'prod/web/1' });
    sidecar.want('lds', [], { nodeId: 'prod/web/1' });
    await sidecar.hears('cds +a@1', 'lds +l@1');
    sidecar.want('eds', ['nobody'], { nodeId: '' });
    await sidecar.hears({ delta: 'eds -nobody', sotw: 'eds' });
  });

  both('a node that changes ends the stream, on an ACK too', async (rig) => {
    rig.publish({ cds: { a: '1' } });
    const sidecar = rig.open();
    sidecar.want('cds');
    await sidecar.hears('cds +a@1');
    sidecar.ack('cds', { nodeId: 'prod/web/2' });
    assert.equal((await sidecar.ended).code, status.PERMISSION_DENIED);
    assert.ok(!rig.events.some((e) => e.kind === 'acked'));
  });

  both('a first message without a node is refused', async (rig) => {
    const sidecar = rig.open();
    const message = rig.variant === 'delta' ? 'DeltaDiscoveryRequest' : 'DiscoveryRequest';
    sidecar.askRaw(codecOf(`envoy.service.discovery.v3.${message}`).encode({ type_url: TYPE.cds }));
    const { code, details } = await sidecar.ended;
    assert.deepEqual([code, details], [status.INVALID_ARGUMENT, 'the first request names no node']);
  });

  both('streams of one node are strangers to each other', async (rig) => {
    rig.publish({ cds: { a: '1', b: '1' }, eds: { a: '1', b: '1' } });
    const [one, other] = [rig.open(), rig.open()];
    one.want('eds', ['a']);
    await one.hears('eds +a@1');
    other.want('eds', ['b']);
    await other.hears('eds +b@1');
    one.nack('eds');
    await one.quiet();
    other.ack('eds');
    await other.quiet();
    rig.publish({ eds: { a: '2', b: '2' } });
    await one.hears('eds +a@2');
    await other.hears('eds +b@2');
    one.close();
    other.ack('eds');
    rig.publish({ eds: { a: '2', b: '3' } });
    await other.hears('eds +b@3');
  });

  both('a delta and a state-of-the-world stream of one node stand side by side', async (rig) => {
    rig.publish({ cds: { a: '1' } });
    const both = [rig.open({ variant: 'delta' }), rig.open({ variant: 'sotw' })];
    for (const sidecar of both) {
      sidecar.want('cds');
      await sidecar.hears('cds +a@1');
      sidecar.ack('cds');
      await sidecar.quiet();
    }
  });

  /*
   * The text names no error for a type that a server does not have. Of a resource that does not exist it says how to answer, and
   * none of that type exists: so Envoy need not wait for its timeout, and in state of the world it is a response without effect.
   */
  delta('names of a type that nobody serves do not exist, and the stream goes on', async (rig) => {
    rig.publish({ cds: { a: '1' } });
    const sidecar = rig.open();
    sidecar.ask(UNKNOWN, { subscribe: ['x'] });
    await sidecar.hears(`${UNKNOWN} -x`);
    sidecar.ask(UNKNOWN);
    sidecar.ask('type.googleapis.com/no.such.Type');
    sidecar.ask('no url at all', { subscribe: ['*'] });
    await sidecar.hears('no url at all -*');
    sidecar.want('cds');
    await sidecar.hears('cds +a@1');
  });

  sotw('names of a type that nobody serves are answered by their absence, and the stream goes on', async (rig) => {
    rig.publish({ cds: { a: '1' } });
    const sidecar = rig.open();
    sidecar.ask(UNKNOWN, { names: ['x'] });
    await sidecar.hears(UNKNOWN);
    sidecar.ask('type.googleapis.com/no.such.Type', { names: [] });
    sidecar.want('cds');
    await sidecar.hears('cds +a@1');
  });

  both('ADS needs a type_url', async (rig) => {
    const sidecar = rig.open();
    sidecar.ask('', { names: ['x'], subscribe: ['x'] });
    const { code, details } = await sidecar.ended;
    assert.equal(code, status.INVALID_ARGUMENT);
    assert.match(details, /it names no type_url$/);
  });
});

checklist('names', `${DISCOVERY_PROTO}#service-discovery-v3-deltadiscoveryrequest`, ({ both, delta, sotw }) => {
  both('a name that is given twice is one name', async (rig) => {
    rig.publish({ eds: { a: '1' } });
    const sidecar = rig.open();
    sidecar.ask(TYPE.eds, { subscribe: ['a', 'a', 'x', 'x'], names: ['a', 'a', 'x', 'x'] });
    await sidecar.hears({ delta: 'eds +a@1 -x', sotw: 'eds +a@1' });
    sidecar.ack('eds');
    await sidecar.quiet();
  });

  both('an empty name is a name that nobody has', async (rig) => {
    rig.publish({ cds: { a: '1' }, eds: { a: '1' } });
    const sidecar = rig.open();
    sidecar.want('eds', ['']);
    await sidecar.hears({ delta: 'eds -', sotw: 'eds' });
    sidecar.want('cds', ['']);
    await sidecar.hears({ delta: 'cds -', sotw: 'cds' });
  });

  delta('subscribed and unsubscribed in one request: the list of what is dropped comes second', async (rig) => {
    rig.publish({ eds: { a: '1', b: '1' } });
    const sidecar = rig.open();
    sidecar.ask(TYPE.eds, { subscribe: ['a', 'b'], unsubscribe: ['a'] });
    await sidecar.hears('eds +b@1');
    sidecar.ack('eds');
    rig.publish({ eds: { a: '2', b: '1' } });
    await sidecar.quiet();
  });

  delta('an empty list adds and drops nothing', async (rig) => {
    const sidecar = await rig.settled({ eds: { a: '1' } });
    sidecar.ask(TYPE.eds);
    await sidecar.quiet();
    rig.publish({ eds: { a: '2' } });
    await sidecar.hears('eds +a@2');
  });

  sotw('an empty list drops everything', async (rig) => {
    const sidecar = await rig.settled({ eds: { a: '1' } });
    sidecar.want('eds', []);
    await sidecar.quiet();
    rig.publish({ eds: { a: '2' } });
    await sidecar.quiet();
  });
});

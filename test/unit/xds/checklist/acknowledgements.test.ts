import assert from 'node:assert/strict';
import { TYPE } from '../../../../src/xds/resource.ts';
import { whole } from '../conversation.ts';
import { checklist, eventsOf, PROTOCOL } from './rig.ts';

checklist('ACK and NACK', `${PROTOCOL}#ack-nack-and-resource-type-instance-version`, ({ both, delta, sotw }) => {
  both('an ACK is not answered, and makes the version known as accepted', async (rig) => {
    const sidecar = await rig.settled({ cds: { a: '1' } });
    await sidecar.quiet();
    const [acked] = await eventsOf(rig, 'acked');
    assert.deepEqual([acked?.type, acked?.version], [TYPE.cds, sidecar.last('cds').version]);
  });

  both('a NACKed version is not sent again until its content changes', async (rig) => {
    const sidecar = await rig.settled({ cds: { a: '1' } });
    rig.publish({ cds: { a: '2' } });
    await sidecar.hears('cds +a@2');
    sidecar.nack('cds', 'bad cluster');
    await sidecar.quiet();
    rig.publish({ cds: { a: '2' } });
    await sidecar.quiet();
    rig.publish({ cds: { a: '3' } });
    await sidecar.hears('cds +a@3');
  });

  both('after a NACK the rest still flows, of the same type and of others', async (rig) => {
    const sidecar = await rig.settled({ cds: { a: '1' }, sds: { s: '1' } });
    rig.publish({ cds: { a: '2' }, sds: { s: '1' } });
    await sidecar.hears('cds +a@2');
    sidecar.nack('cds');
    await sidecar.quiet();
    rig.publish({ cds: { a: '2', b: '1' }, sds: { s: '2' } });
    await sidecar.hears({ delta: 'cds +b@1', sotw: 'cds +a@1 +b@1' }, 'sds +s@2');
  });

  both(
    'after a NACK the last accepted state stays known, and the refusal with the words of the client',
    async (rig) => {
      const sidecar = await rig.settled({ lds: { l: '1' } });
      const accepted = sidecar.last('lds').version;
      rig.publish({ lds: { l: '2' } });
      await sidecar.hears('lds +l@2');
      sidecar.nack('lds', 'bad port');
      const [nacked] = await eventsOf(rig, 'nacked');
      assert.deepEqual([nacked?.error, nacked?.resources], ['bad port', [{ name: 'l', version: '2' }]]);
      const acked = await eventsOf(rig, 'acked');
      assert.equal(acked.filter(({ type }) => type === TYPE.lds).at(-1)?.version, accepted);
    },
  );

  both('after a NACK the update succeeds with other content', async (rig) => {
    const sidecar = await rig.settled({ cds: { a: '1' } });
    rig.publish({ cds: { a: '2' } });
    await sidecar.hears('cds +a@2');
    sidecar.nack('cds');
    rig.publish({ cds: { a: '1' } });
    await sidecar.hears('cds +a@1');
    sidecar.ack('cds');
    await sidecar.quiet();
    assert.equal((await eventsOf(rig, 'acked', 2)).filter(({ type }) => type === TYPE.cds).at(-1)?.stillRefused, false);
  });

  both('an error_detail without any words is a NACK all the same', async (rig) => {
    const sidecar = await rig.settled({ cds: { a: '1' } });
    rig.publish({ cds: { a: '2' } });
    await sidecar.hears('cds +a@2');
    sidecar.nack('cds', '');
    const [nacked] = await eventsOf(rig, 'nacked');
    assert.equal(nacked?.error, '');
  });

  both('a NACK is known by its error_detail, whatever version it names', async (rig) => {
    const sidecar = await rig.settled({ cds: { a: '1' } });
    rig.publish({ cds: { a: '2' } });
    await sidecar.hears('cds +a@2');
    sidecar.nack('cds', 'no', { version: sidecar.last('cds').version });
    await eventsOf(rig, 'nacked');
    await sidecar.quiet();
  });

  sotw('a request without error_detail is an ACK, whatever version it names', async (rig) => {
    const sidecar = await rig.settled({ cds: { a: '1' } });
    rig.publish({ cds: { a: '2' } });
    await sidecar.hears('cds +a@2');
    sidecar.ack('cds', { version: 'another' });
    await sidecar.quiet();
    assert.equal((await eventsOf(rig, 'acked', 3)).filter(({ type }) => type === TYPE.cds).length, 2);
  });

  both('a NACK that also changes names refuses, and is answered with what is new among them', async (rig) => {
    rig.publish({ eds: { a: '1', b: '1' } });
    const sidecar = rig.open();
    sidecar.want('eds', ['a']);
    await sidecar.hears('eds +a@1');
    sidecar.want('eds', ['a', 'b'], { nonce: sidecar.last('eds').nonce, error: 'no' });
    await sidecar.hears('eds +b@1');
    const [nacked] = await eventsOf(rig, 'nacked');
    assert.deepEqual(nacked?.resources, [{ name: 'a', version: '1' }]);
    sidecar.ack('eds');
    await sidecar.quiet();
  });

  both('a NACK that drops the refused name leaves nothing refused', async (rig) => {
    rig.publish({ eds: { a: '1', b: '1' } });
    const sidecar = rig.open();
    sidecar.want('eds', ['a']);
    await sidecar.hears('eds +a@1');
    sidecar.want('eds', ['b'], { nonce: sidecar.last('eds').nonce, error: 'no' });
    await sidecar.hears('eds +b@1');
    sidecar.ack('eds');
    await sidecar.quiet();
    const progress = await eventsOf(rig, 'progress');
    assert.equal(rig.events.findLast((e) => e.kind === 'acked')?.stillRefused, false);
    assert.notEqual(progress.at(-1)?.progress, 'refused');
  });

  both('types are walled off: an ACK with the nonce of another type acknowledges nothing', async (rig) => {
    rig.publish({ cds: { a: '1' }, lds: { l: '1' } });
    const sidecar = rig.open();
    sidecar.want('cds');
    await sidecar.hears('cds +a@1');
    sidecar.want('lds');
    await sidecar.hears('lds +l@1');
    sidecar.ask(TYPE.lds, { nonce: sidecar.last('cds').nonce });
    sidecar.ask(TYPE.lds, { nonce: sidecar.last('cds').nonce, error: 'no' });
    await sidecar.quiet();
    assert.ok(!rig.events.some((e) => e.kind === 'nacked' || (e.kind === 'acked' && e.type === TYPE.lds)));
    rig.publish({ cds: { a: '1' }, lds: { l: '2' } });
    await sidecar.quiet();
    sidecar.ack('lds');
    sidecar.ack('cds');
    await sidecar.hears('lds +l@2');
  });

  both('an error without a nonce refuses nothing', async (rig) => {
    rig.publish({ cds: { a: '1' } });
    const sidecar = rig.open();
    sidecar.ask(TYPE.cds, { error: 'from another life' });
    await sidecar.hears('cds +a@1');
    sidecar.ask(TYPE.cds, { error: 'no', nonce: '' });
    await sidecar.quiet();
    assert.ok(!rig.events.some((e) => e.kind === 'nacked'));
    sidecar.ack('cds');
    await eventsOf(rig, 'acked');
  });

  both('an ACK or a NACK that is said twice counts once', async (rig) => {
    const sidecar = await rig.settled({ cds: { a: '1' } });
    sidecar.ack('cds');
    sidecar.nack('cds');
    await sidecar.quiet();
    assert.equal(rig.events.filter((e) => e.kind === 'acked' && e.type === TYPE.cds).length, 1);
    assert.ok(!rig.events.some((e) => e.kind === 'nacked'));
  });

  delta('refused removals are not repeated', async (rig) => {
    const sidecar = await rig.settled({ cds: { a: '1', b: '1' } });
    rig.publish({ cds: { a: '1' } });
    await sidecar.hears('cds -b');
    sidecar.nack('cds');
    await sidecar.quiet();
  });

  both('a refused listener keeps what its old form may refer to', async (rig) => {
    const sidecar = await rig.settled(whole('1'));
    rig.publish({ ...whole('1'), cds: {}, eds: {}, lds: { l: '2' } });
    await sidecar.hears('lds +l@2');
    sidecar.nack('lds');
    await sidecar.quiet();
  });
});

checklist('what a nonce is', `${PROTOCOL}#resource-updates`, ({ both, delta, sotw }) => {
  both('a nonce is of one response: no two are alike, and those of another stream mean nothing', async (rig) => {
    rig.publish({ cds: { a: '1' } });
    const [one, other] = [rig.open(), rig.open({ nodeId: 'prod/web/2' })];
    one.want('cds');
    await one.hears('cds +a@1');
    other.want('cds');
    await other.hears('cds +a@1');
    assert.notEqual(one.last('cds').nonce, other.last('cds').nonce);
    other.ask(TYPE.cds, { nonce: one.last('cds').nonce });
    other.ask(TYPE.cds, { nonce: one.last('cds').nonce, error: 'no' });
    await other.quiet();
    assert.ok(!rig.events.some((e) => e.kind === 'nacked' || (e.kind === 'acked' && e.type === TYPE.cds)));
  });

  both('a nonce on the first request of a stream is one from an earlier stream, and means nothing', async (rig) => {
    rig.publish({ cds: { a: '1' }, eds: { a: '1' } });
    const sidecar = rig.open();
    sidecar.want('cds', [], { nonce: 'earlier-7', error: 'earlier' });
    await sidecar.hears('cds +a@1');
    sidecar.want('eds', ['a'], { nonce: 'earlier-9' });
    await sidecar.hears('eds +a@1');
    assert.ok(!rig.events.some((e) => e.kind === 'nacked' || e.kind === 'acked'));
  });

  both('a stale nonce acknowledges nothing and refuses nothing', async (rig) => {
    const sidecar = await rig.settled({ cds: { a: '1' } });
    const stale = sidecar.last('cds').nonce;
    rig.publish({ cds: { a: '2' } });
    await sidecar.hears('cds +a@2');
    sidecar.ask(TYPE.cds, { nonce: stale });
    sidecar.ask(TYPE.cds, { nonce: stale, error: 'no' });
    rig.publish({ cds: { a: '3' } });
    await sidecar.quiet();
    assert.ok(!rig.events.some((e) => e.kind === 'nacked'));
    sidecar.ack('cds');
    await sidecar.hears('cds +a@3');
  });

  sotw('a request with a stale nonce is not answered', async (rig) => {
    const sidecar = await rig.settled({ eds: { a: '1' } });
    rig.publish({ eds: { a: '1', b: '1' } });
    sidecar.ask(TYPE.eds, { names: ['a', 'b'], nonce: 'stale' });
    await sidecar.quiet();
  });

  delta('subscriptions on a stale nonce are honored', async (rig) => {
    const sidecar = await rig.settled({ eds: { a: '1' } });
    rig.publish({ eds: { a: '1', b: '1' } });
    sidecar.ask(TYPE.eds, { subscribe: ['b'], nonce: 'stale' });
    await sidecar.hears('eds +b@1');
    sidecar.ask(TYPE.eds, { unsubscribe: ['a'], nonce: 'stale' });
    sidecar.ack('eds');
    rig.publish({ eds: { a: '2', b: '1' } });
    await sidecar.quiet();
  });

  both('what was published between two ACKs is not sent: only the newest is', async (rig) => {
    rig.publish({ cds: { a: '1' } });
    const sidecar = rig.open();
    sidecar.want('cds');
    await sidecar.hears('cds +a@1');
    for (const a of ['2', '3', '4']) rig.publish({ cds: { a } });
    await sidecar.quiet();
    sidecar.ack('cds');
    await sidecar.hears('cds +a@4');
  });

  both('nothing is sent when nothing changed', async (rig) => {
    const sidecar = await rig.settled(whole('1'));
    for (let i = 0; i < 3; i += 1) rig.publish(whole('1'));
    await sidecar.quiet();
  });
});

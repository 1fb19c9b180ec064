import { TYPE } from '../../../../src/xds/resource.ts';
import { checklist, PROTOCOL } from './rig.ts';

checklist('changed names', `${PROTOCOL}#how-the-client-specifies-what-resources-to-return`, ({ both, delta, sotw }) => {
  both('changed names bring what is new among them, although nothing changed in itself', async (rig) => {
    const sidecar = await rig.settled({ eds: { a: '1' } });
    rig.publish({ eds: { a: '1', b: '1' } });
    await sidecar.quiet();
    sidecar.want('eds', ['a', 'b']);
    await sidecar.hears('eds +b@1');
    sidecar.ack('eds');
    await sidecar.quiet();
  });

  both('names that change while a response is under way are answered after its ACK', async (rig) => {
    rig.publish({ eds: { a: '1', b: '1', c: '1' } });
    const sidecar = rig.open();
    sidecar.want('eds', ['a']);
    await sidecar.hears('eds +a@1');
    sidecar.want('eds', ['a', 'b'], { nonce: '' });
    sidecar.want('eds', ['a', 'c'], { nonce: '' });
    await sidecar.quiet();
    sidecar.want('eds', ['a', 'c'], { nonce: sidecar.last('eds').nonce });
    await sidecar.hears('eds +c@1');
  });

  both('a name that was dropped and is taken up again is sent again, unchanged as it is', async (rig) => {
    const sidecar = await rig.settled({ eds: { a: '1', b: '1' } });
    sidecar.want('eds', ['b']);
    await sidecar.quiet();
    sidecar.want('eds', ['a', 'b']);
    await sidecar.hears('eds +a@1');
  });

  both('the same with clusters by name, and with secrets', async (rig) => {
    rig.publish({ cds: { a: '1', b: '1' }, sds: { s: '1' } });
    const sidecar = rig.open();
    sidecar.want('cds', ['a', 'b']);
    await sidecar.hears('cds +a@1 +b@1');
    sidecar.ack('cds');
    sidecar.want('sds', ['s']);
    await sidecar.hears('sds +s@1');
    sidecar.ack('sds');
    sidecar.want('cds', ['a']);
    sidecar.want('sds', []);
    await sidecar.quiet();
    sidecar.want('cds', ['a', 'b']);
    await sidecar.hears({ delta: 'cds +b@1', sotw: 'cds +a@1 +b@1' });
    sidecar.want('sds', ['s']);
    await sidecar.hears('sds +s@1');
  });

  both('a name that was taken up before the server knew that it was dropped is sent again', async (rig) => {
    const sidecar = await rig.settled({ eds: { a: '1', b: '1' } });
    rig.publish({ eds: { a: '1', b: '2' } });
    await sidecar.hears('eds +b@2');
    const { nonce } = sidecar.last('eds');
    sidecar.want('eds', ['b'], { nonce: '' });
    sidecar.want('eds', ['a', 'b'], { nonce: '' });
    sidecar.want('eds', ['a', 'b'], { nonce });
    await sidecar.hears('eds +a@1');
  });

  both('only what is subscribed to is sent', async (rig) => {
    rig.publish({ eds: { a: '1', b: '1' }, rds: { r: '1' }, sds: { s: '1' } });
    const sidecar = rig.open();
    sidecar.want('eds', ['a']);
    await sidecar.hears('eds +a@1');
    sidecar.ack('eds');
    rig.publish({ eds: { a: '1', b: '2' }, rds: { r: '2' }, sds: { s: '2' } });
    await sidecar.quiet();
  });

  both('other types than clusters and listeners have no wildcard: no names subscribe to nothing', async (rig) => {
    rig.publish({ eds: { a: '1' }, rds: { r: '1' }, sds: { s: '1' } });
    const sidecar = rig.open();
    for (const type of ['eds', 'rds', 'sds'] as const) sidecar.want(type);
    await sidecar.quiet();
    sidecar.want('sds', ['*']);
    await sidecar.hears({ delta: 'sds -*', sotw: 'sds' });
  });

  both('clusters and listeners by name come by name, and no others with them', async (rig) => {
    rig.publish({ cds: { a: '1', b: '1' }, lds: { l: '1', m: '1' } });
    const sidecar = rig.open();
    sidecar.want('cds', ['b']);
    await sidecar.hears('cds +b@1');
    sidecar.want('lds', ['m', 'nobody']);
    await sidecar.hears({ delta: 'lds +m@1 -nobody', sotw: 'lds +m@1' });
    sidecar.ack('cds');
    sidecar.ack('lds');
    rig.publish({ cds: { a: '2', b: '1' }, lds: { l: '2', m: '1' } });
    await sidecar.quiet();
  });

  sotw('all clusters that are subscribed to stand in each response, changed or not', async (rig) => {
    rig.publish({ cds: { a: '1', b: '1', c: '1' } });
    const sidecar = rig.open();
    sidecar.want('cds', ['a']);
    await sidecar.hears('cds +a@1');
    sidecar.want('cds', ['a', 'b']);
    await sidecar.hears('cds +a@1 +b@1');
    sidecar.ack('cds');
    rig.publish({ cds: { a: '1', b: '2', c: '2' } });
    await sidecar.hears('cds +a@1 +b@2');
  });

  delta('what is subscribed to again is sent again: the client may have forgotten it', async (rig) => {
    const sidecar = await rig.settled({ cds: { a: '1' }, eds: { a: '1' } });
    sidecar.ask(TYPE.eds, { subscribe: ['a'] });
    await sidecar.hears('eds +a@1');
    sidecar.ack('eds');
    await sidecar.quiet();
  });

  delta('the same of what is under way just then', async (rig) => {
    rig.publish({ eds: { a: '1' } });
    const sidecar = rig.open();
    sidecar.ask(TYPE.eds, { subscribe: ['a'] });
    await sidecar.hears('eds +a@1');
    sidecar.ask(TYPE.eds, { subscribe: ['a'] });
    sidecar.ack('eds');
    await sidecar.hears('eds +a@1');
  });
});

checklist('unsubscribing', `${PROTOCOL}#xds-protocol-unsubscribing`, ({ both, delta }) => {
  both('an unsubscribed name is not answered, and not sent any more', async (rig) => {
    const sidecar = await rig.settled({ eds: { a: '1', b: '1' } });
    sidecar.want('eds', ['b']);
    await sidecar.quiet();
    rig.publish({ eds: { a: '2', b: '1' } });
    await sidecar.quiet();
    rig.publish({ eds: { b: '2' } });
    await sidecar.hears('eds +b@2');
  });

  both('a name that is dropped while its response is under way is not held afterwards', async (rig) => {
    rig.publish({ eds: { a: '1' } });
    const sidecar = rig.open();
    sidecar.want('eds', ['a']);
    await sidecar.hears('eds +a@1');
    sidecar.want('eds', [], { nonce: sidecar.last('eds').nonce });
    await sidecar.quiet();
    rig.publish({ eds: {} });
    await sidecar.quiet();
    rig.publish({ eds: { a: '1' } });
    sidecar.want('eds', ['a']);
    await sidecar.hears('eds +a@1');
  });

  delta('names that were never subscribed to are dropped without a word', async (rig) => {
    const sidecar = await rig.settled({ cds: { a: '1' }, eds: { a: '1' } });
    sidecar.ask(TYPE.eds, { unsubscribe: ['x', '', '*'] });
    sidecar.ask(TYPE.cds, { unsubscribe: ['a', 'x'] });
    sidecar.ask(TYPE.lds, { unsubscribe: ['l'] });
    await sidecar.quiet();
    rig.publish({ eds: { a: '2' }, cds: { a: '2' } });
    await sidecar.hears('cds +a@2', 'eds +a@2');
  });

  delta('a first request that only unsubscribes is no wildcard', async (rig) => {
    rig.publish({ cds: { a: '1' } });
    const sidecar = rig.open();
    sidecar.ask(TYPE.cds, { unsubscribe: ['a'] });
    await sidecar.quiet();
  });

  delta('a name dropped under a wildcard is told whether it stays', async (rig) => {
    const sidecar = await rig.settled({ cds: { a: '1', b: '1' } });
    sidecar.ask(TYPE.cds, { subscribe: ['a', 'x'] });
    await sidecar.hears('cds +a@1 -x');
    sidecar.ack('cds');
    sidecar.ask(TYPE.cds, { unsubscribe: ['a', 'x'] });
    await sidecar.hears('cds +a@1 -x');
    sidecar.ack('cds');
    rig.publish({ cds: { a: '2', b: '1' } });
    await sidecar.hears('cds +a@2');
  });

  delta('a name that is subscribed to and dropped in one request under a wildcard is told, too', async (rig) => {
    const sidecar = await rig.settled({ cds: { a: '1' } });
    sidecar.ask(TYPE.cds, { subscribe: ['a'], unsubscribe: ['a'] });
    await sidecar.hears('cds +a@1');
  });
});

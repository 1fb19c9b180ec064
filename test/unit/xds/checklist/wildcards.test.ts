import { TYPE } from '../../../../src/xds/resource.ts';
import { checklist, PROTOCOL } from './rig.ts';

const two = { cds: { a: '1', b: '1' } };

checklist('wildcards', `${PROTOCOL}#how-the-client-specifies-what-resources-to-return`, ({ both, delta, sotw }) => {
  for (const type of ['cds', 'lds'] as const) {
    both(`a first request for ${type} without names is a wildcard`, async (rig) => {
      rig.publish({ [type]: { a: '1', b: '1' } });
      const sidecar = rig.open();
      sidecar.want(type);
      await sidecar.hears(`${type} +a@1 +b@1`);
      sidecar.ack(type);
      rig.publish({ [type]: { a: '1', b: '1', c: '1' } });
      await sidecar.hears({ delta: `${type} +c@1`, sotw: `${type} +a@1 +b@1 +c@1` });
    });

    both(`a * for ${type} is a wildcard`, async (rig) => {
      rig.publish({ [type]: { a: '1', b: '1' } });
      const sidecar = rig.open();
      sidecar.want(type, ['*']);
      await sidecar.hears(`${type} +a@1 +b@1`);
    });

    both(`a wildcard for ${type} is answered even if there is nothing`, async (rig) => {
      rig.publish({});
      const sidecar = rig.open();
      sidecar.want(type);
      await sidecar.hears(type);
      sidecar.ack(type);
      await sidecar.quiet();
    });
  }

  sotw('the conversation of the text: wildcard, with A beside it, A alone, nothing', async (rig) => {
    rig.publish({ cds: { A: '1', B: '1' } });
    const sidecar = rig.open();
    sidecar.want('cds', []);
    await sidecar.hears('cds +A@1 +B@1');
    sidecar.want('cds', ['*', 'A']);
    await sidecar.hears('cds +A@1 +B@1');
    sidecar.want('cds', ['A']);
    await sidecar.quiet();
    rig.publish({ cds: { A: '1', B: '2' } });
    await sidecar.quiet();
    rig.publish({ cds: { A: '2', B: '2' } });
    await sidecar.hears('cds +A@2');
    sidecar.want('cds', []);
    await sidecar.quiet();
    rig.publish({ cds: { A: '3', B: '3' } });
    await sidecar.quiet();
    sidecar.want('cds', ['*']);
    await sidecar.hears('cds +A@3 +B@3');
  });

  delta('the conversation of the text: wildcard, with A beside it, A alone, nothing', async (rig) => {
    rig.publish({ cds: { A: '1', B: '1' } });
    const sidecar = rig.open();
    sidecar.ask(TYPE.cds);
    await sidecar.hears('cds +A@1 +B@1');
    sidecar.ack('cds');
    sidecar.ask(TYPE.cds, { subscribe: ['A'] });
    await sidecar.hears('cds +A@1');
    sidecar.ack('cds');
    rig.publish({ cds: { A: '1', B: '2' } });
    await sidecar.hears('cds +B@2');
    sidecar.ack('cds');
    sidecar.ask(TYPE.cds, { unsubscribe: ['*'] });
    await sidecar.quiet();
    rig.publish({ cds: { A: '2', B: '3' } });
    await sidecar.hears('cds +A@2');
    sidecar.ack('cds');
    sidecar.ask(TYPE.cds, { unsubscribe: ['A'] });
    sidecar.ask(TYPE.cds);
    await sidecar.quiet();
    rig.publish({ cds: { A: '3', B: '4' } });
    await sidecar.quiet();
    sidecar.ask(TYPE.cds, { subscribe: ['*'] });
    await sidecar.hears('cds +A@3 +B@4');
  });

  both('names that were cleared are no wildcard', async (rig) => {
    rig.publish(two);
    const sidecar = rig.open();
    sidecar.want('cds', ['a']);
    await sidecar.hears('cds +a@1');
    sidecar.want('cds', []);
    sidecar.want('cds', []);
    await sidecar.quiet();
    rig.publish({ cds: { a: '2', b: '2' } });
    await sidecar.quiet();
  });

  both('the implicit wildcard of a later request is none: the first was for a name', async (rig) => {
    rig.publish({ lds: { l: '1', m: '1' } });
    const sidecar = rig.open();
    sidecar.want('lds', ['l']);
    sidecar.want('lds', []);
    sidecar.want('lds', []);
    await sidecar.hears('lds +l@1');
    await sidecar.quiet();
  });

  both('a wildcard that comes to names brings the rest', async (rig) => {
    rig.publish(two);
    const sidecar = rig.open();
    sidecar.want('cds', ['a']);
    await sidecar.hears('cds +a@1');
    sidecar.ack('cds');
    sidecar.want('cds', ['a', '*']);
    await sidecar.hears({ delta: 'cds +b@1', sotw: 'cds +a@1 +b@1' });
  });

  both('a wildcard beside a name that does not exist says so', async (rig) => {
    rig.publish({ cds: { a: '1' } });
    const sidecar = rig.open();
    sidecar.want('cds', ['*', 'x']);
    await sidecar.hears({ delta: 'cds +a@1 -x', sotw: 'cds +a@1' });
  });

  delta('a * that is dropped leaves the names, and what only it brought is forgotten', async (rig) => {
    rig.publish(two);
    const sidecar = rig.open();
    sidecar.ask(TYPE.cds, { subscribe: ['*', 'a'] });
    await sidecar.hears('cds +a@1 +b@1');
    sidecar.ack('cds');
    sidecar.ask(TYPE.cds, { unsubscribe: ['*'] });
    await sidecar.quiet();
    rig.publish({ cds: { a: '1' } });
    await sidecar.quiet();
    rig.publish({ cds: { a: '1', b: '1' } });
    sidecar.ask(TYPE.cds, { subscribe: ['b'] });
    await sidecar.hears('cds +b@1');
  });

  delta('a * and a name dropped together are not answered', async (rig) => {
    rig.publish(two);
    const sidecar = rig.open();
    sidecar.ask(TYPE.cds, { subscribe: ['*', 'a'] });
    await sidecar.hears('cds +a@1 +b@1');
    sidecar.ack('cds');
    sidecar.ask(TYPE.cds, { unsubscribe: ['a', '*'] });
    await sidecar.quiet();
  });

  delta('an implicit wildcard ends with an unsubscribed *, too', async (rig) => {
    const sidecar = await rig.settled(two);
    sidecar.ask(TYPE.cds, { unsubscribe: ['*'] });
    await sidecar.quiet();
    rig.publish({ cds: { a: '2', b: '2' } });
    await sidecar.quiet();
  });

  delta('a * that is subscribed to again brings everything again', async (rig) => {
    const sidecar = await rig.settled(two);
    sidecar.ask(TYPE.cds, { subscribe: ['*', '*'] });
    await sidecar.hears('cds +a@1 +b@1');
    sidecar.ack('cds');
    await sidecar.quiet();
  });

  delta('the same while the first answer is under way', async (rig) => {
    rig.publish(two);
    const sidecar = rig.open();
    sidecar.ask(TYPE.cds, { subscribe: ['*'] });
    await sidecar.hears('cds +a@1 +b@1');
    sidecar.ask(TYPE.cds, { subscribe: ['*'] });
    await sidecar.quiet();
    sidecar.ack('cds');
    await sidecar.hears('cds +a@1 +b@1');
  });
});

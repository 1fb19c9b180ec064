import { checklist, eventsOf, PROTOCOL } from './rig.ts';

checklist('full state and partial state', `${PROTOCOL}#grouping-resources-into-responses`, ({ both }) => {
  for (const type of ['cds', 'lds'] as const) {
    both(`${type}: in state of the world all stand in each response, in delta what changed`, async (rig) => {
      const sidecar = await rig.settled({ [type]: { a: '1', b: '1' } });
      rig.publish({ [type]: { a: '1', b: '2' } });
      await sidecar.hears({ delta: `${type} +b@2`, sotw: `${type} +a@1 +b@2` });
    });
  }

  for (const type of ['eds', 'rds', 'sds'] as const) {
    both(`${type}: what changed stands alone in a response`, async (rig) => {
      const sidecar = await rig.settled({ [type]: { a: '1', b: '1' } });
      rig.publish({ [type]: { a: '1', b: '2' } });
      await sidecar.hears(`${type} +b@2`);
    });
  }
});

checklist('deleting resources', `${PROTOCOL}#deleting-resources`, ({ both, sotw }) => {
  for (const type of ['cds', 'lds'] as const) {
    both(`${type}: what is gone is named in delta, and left out in state of the world`, async (rig) => {
      const sidecar = await rig.settled({ [type]: { a: '1', b: '1' } });
      rig.publish({ [type]: { a: '1' } });
      await sidecar.hears({ delta: `${type} -b`, sotw: `${type} +a@1` });
      sidecar.ack(type);
      await sidecar.quiet();
      rig.publish({});
      await sidecar.hears({ delta: `${type} -a`, sotw: type });
      sidecar.ack(type);
      await sidecar.quiet();
    });

    both(`${type}: what was subscribed to by name and is gone is told, and sent when it is back`, async (rig) => {
      rig.publish({ [type]: { a: '1', b: '1' } });
      const sidecar = rig.open();
      sidecar.want(type, ['a', 'b']);
      await sidecar.hears(`${type} +a@1 +b@1`);
      sidecar.ack(type);
      await sidecar.quiet();
      rig.publish({ [type]: { a: '1' } });
      await sidecar.hears({ delta: `${type} -b`, sotw: `${type} +a@1` });
      sidecar.ack(type);
      await sidecar.quiet();
      rig.publish({ [type]: { a: '1', b: '1' } });
      await sidecar.hears({ delta: `${type} +b@1`, sotw: `${type} +a@1 +b@1` });
    });
  }

  for (const type of ['eds', 'rds', 'sds'] as const) {
    both(`${type}: what is gone is named in delta; state of the world has no words for it`, async (rig) => {
      const sidecar = await rig.settled({ [type]: { a: '1', b: '1' } });
      rig.publish({ [type]: { a: '1' } });
      if (rig.variant === 'delta') {
        await sidecar.hears(`${type} -b`);
        sidecar.ack(type);
      }
      await sidecar.quiet();
      await eventsOf(rig, 'progress');
      rig.publish({ [type]: { a: '1', b: '1' } });
      await sidecar.hears(`${type} +b@1`);
    });
  }

  both('what comes back while its removal is under way is sent again', async (rig) => {
    const sidecar = await rig.settled({ cds: { a: '1', b: '1' } });
    rig.publish({ cds: { a: '1' } });
    await sidecar.hears({ delta: 'cds -b', sotw: 'cds +a@1' });
    rig.publish({ cds: { a: '1', b: '1' } });
    await sidecar.quiet();
    sidecar.ack('cds');
    await sidecar.hears({ delta: 'cds +b@1', sotw: 'cds +a@1 +b@1' });
  });

  sotw('an empty response deletes all listeners', async (rig) => {
    const sidecar = await rig.settled({ lds: { l: '1' } });
    rig.publish({ lds: {} });
    await sidecar.hears('lds');
  });
});

checklist('resources that do not exist', `${PROTOCOL}#xds-protocol-resource-not-existed`, ({ both, delta, sotw }) => {
  for (const type of ['cds', 'eds', 'lds', 'rds', 'sds'] as const) {
    both(`${type}: a name that does not exist is answered, not awaited, and sent once it exists`, async (rig) => {
      rig.publish({ [type]: { a: '1' } });
      const sidecar = rig.open();
      sidecar.want(type, ['a', 'b']);
      await sidecar.hears({ delta: `${type} +a@1 -b`, sotw: `${type} +a@1` });
      sidecar.ack(type);
      await sidecar.quiet();
      rig.publish({ [type]: { a: '1', b: '1' } });
      const isWhole = type === 'cds' || type === 'lds';
      await sidecar.hears({ delta: `${type} +b@1`, sotw: isWhole ? `${type} +a@1 +b@1` : `${type} +b@1` });
    });

    both(`${type}: where nothing that is asked for exists, that is the answer`, async (rig) => {
      rig.publish({});
      const sidecar = rig.open();
      sidecar.want(type, ['a']);
      await sidecar.hears({ delta: `${type} -a`, sotw: type });
    });
  }

  delta('it is said once, and again to who asks again', async (rig) => {
    rig.publish({});
    const sidecar = rig.open();
    sidecar.want('sds', ['a']);
    await sidecar.hears('sds -a');
    sidecar.ack('sds');
    rig.publish({ sds: { b: '1' } });
    await sidecar.quiet();
    sidecar.ask(sidecar.last('sds').type, { subscribe: ['a'] });
    await sidecar.hears('sds -a');
  });

  sotw('clusters and listeners that exist stand in the answer to a name that does not', async (rig) => {
    rig.publish({ lds: { a: '1', b: '1' } });
    const sidecar = rig.open();
    sidecar.want('lds', ['a']);
    await sidecar.hears('lds +a@1');
    sidecar.want('lds', ['a', 'x']);
    await sidecar.hears('lds +a@1');
    sidecar.ack('lds');
    await sidecar.quiet();
  });
});

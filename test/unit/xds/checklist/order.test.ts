import { whole } from '../conversation.ts';
import { checklist, PROTOCOL } from './rig.ts';

const moved = { cds: { b: '1' }, eds: { b: '1' }, sds: { s: '1' }, lds: { l: '2' }, rds: { r: '2' } };

checklist('make before break', `${PROTOCOL}#eventual-consistency-considerations`, ({ both }) => {
  both('clusters, endpoints and secrets, then listeners, then routes, then removals', async (rig) => {
    const sidecar = await rig.settled(whole('1'));
    rig.publish({ ...moved, sds: { s: '2' } });
    await sidecar.hears({ delta: 'cds +b@1', sotw: 'cds +a@1 +b@1' }, 'sds +s@2');
    sidecar.ack('cds');
    sidecar.want('eds', ['a', 'b']);
    await sidecar.hears('eds +b@1');
    sidecar.ack('eds');
    await sidecar.quiet();
    sidecar.ack('sds');
    await sidecar.hears('lds +l@2');
    await sidecar.quiet();
    sidecar.ack('lds');
    await sidecar.hears('rds +r@2');
    await sidecar.quiet();
    sidecar.ack('rds');
    await sidecar.hears({ delta: 'cds -a', sotw: 'cds +b@1' });
    await sidecar.quiet();
    sidecar.ack('cds');
    if (rig.variant === 'delta') await sidecar.hears('eds -a');
    else await sidecar.quiet();
  });

  both('a listener that goes, goes before what it refers to', async (rig) => {
    const sidecar = await rig.settled(whole('1'));
    rig.publish({ sds: {} });
    await sidecar.hears({ delta: 'lds -l', sotw: 'lds' });
    await sidecar.quiet();
    sidecar.ack('lds');
    if (rig.variant === 'delta') {
      await sidecar.hears('rds -r');
      sidecar.ack('rds');
    }
    await sidecar.hears({ delta: 'cds -a', sotw: 'cds' });
  });

  both('what concerns one type alone waits for nothing', async (rig) => {
    const sidecar = await rig.settled(whole('1'));
    rig.publish({ ...whole('1'), rds: { r: '2' } });
    await sidecar.hears('rds +r@2');
    sidecar.ack('rds');
    rig.publish({ ...whole('1'), rds: { r: '2' }, sds: { s: '2' } });
    await sidecar.hears('sds +s@2');
    sidecar.ack('sds');
    rig.publish({ ...whole('1'), rds: { r: '2' }, sds: { s: '2' }, eds: { a: '2' } });
    await sidecar.hears('eds +a@2');
  });

  both('what is asked for is answered at once: the client set that order', async (rig) => {
    rig.publish(whole('1'));
    const sidecar = rig.open();
    sidecar.want('lds', ['l']);
    await sidecar.hears('lds +l@1');
    sidecar.want('rds', ['r']);
    await sidecar.hears('rds +r@1');
    sidecar.want('cds', ['a']);
    await sidecar.hears('cds +a@1');
    sidecar.want('eds', ['a']);
    await sidecar.hears('eds +a@1');
  });

  both('where routes were refused the old ones stand, and nothing is taken from under them', async (rig) => {
    const sidecar = await rig.settled(whole('1'));
    rig.publish({ ...whole('1'), cds: {}, eds: {}, rds: { r: '2' } });
    await sidecar.hears('rds +r@2');
    sidecar.nack('rds');
    await sidecar.quiet();
    rig.publish({ ...whole('1'), cds: {}, eds: {}, rds: { r: '3' } });
    await sidecar.hears('rds +r@3');
    sidecar.ack('rds');
    await sidecar.hears({ delta: 'cds -a', sotw: 'cds' });
  });
});

checklist('endpoints of changed clusters', `${PROTOCOL}#resource-warming`, ({ both }) => {
  both('endpoints are sent again after their cluster changed, although they did not', async (rig) => {
    const sidecar = await rig.settled(whole('1'));
    rig.publish({ ...whole('1'), cds: { a: '2' } });
    await sidecar.hears('cds +a@2', 'eds +a@1');
    sidecar.ack('eds');
    sidecar.ack('cds');
    await sidecar.quiet();
  });

  both('only those of the changed cluster', async (rig) => {
    const sidecar = await rig.settled({ cds: { a: '1', b: '1' }, eds: { a: '1', b: '1' } });
    rig.publish({ cds: { a: '1', b: '2' }, eds: { a: '1', b: '1' } });
    await sidecar.hears({ delta: 'cds +b@2', sotw: 'cds +a@1 +b@2' }, 'eds +b@1');
  });

  both('endpoints do not overtake their changed cluster', async (rig) => {
    const sidecar = await rig.settled(whole('1'));
    rig.publish({ ...whole('2'), lds: { l: '1' }, rds: { r: '1' }, sds: { s: '1' } });
    await sidecar.hears('cds +a@2', 'eds +a@2');
  });

  both('endpoints of a cluster that warms are sent even if both have left', async (rig) => {
    rig.publish({ cds: { a: '1' }, eds: { a: '1' } });
    const sidecar = rig.open();
    sidecar.want('cds');
    await sidecar.hears('cds +a@1');
    rig.publish({ cds: {}, eds: {} });
    sidecar.want('eds', ['a']);
    await sidecar.hears('eds +a@1');
    sidecar.ack('eds');
    sidecar.ack('cds');
    await sidecar.hears({ delta: 'cds -a', sotw: 'cds' });
  });
});

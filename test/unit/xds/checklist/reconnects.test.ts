import assert from 'node:assert/strict';
import { TYPE } from '../../../../src/xds/resource.ts';
import { until } from '../../../support/until.ts';
import { whole } from '../conversation.ts';
import { checklist, eventsOf, PROTOCOL } from './rig.ts';

/** For how long a client that came back may go on saying what it holds. */
const A_MOMENT = 500;

const had = (...names: readonly string[]) => ({
  initialResourceVersions: Object.fromEntries(names.map((name) => [name, '1'])),
});

checklist('coming back in delta', `${PROTOCOL}#incremental-xds`, ({ delta }) => {
  delta('who comes back with everything is sent nothing', async (rig) => {
    rig.publish(whole('1'));
    const sidecar = rig.open();
    sidecar.want('cds', [], had('a'));
    sidecar.want('eds', ['a'], had('a'));
    sidecar.want('lds', ['*'], had('l'));
    sidecar.want('rds', ['r'], had('r'));
    sidecar.want('sds', ['s'], had('s'));
    await sidecar.quiet();
    sidecar.ask(TYPE.cds);
    await sidecar.quiet();
    rig.publish({ ...whole('1'), sds: { s: '2' } });
    await sidecar.hears('sds +s@2');
  });

  delta(
    'who comes back is sent the differences, and what vanished is removed',
    async (rig) => {
      rig.publish({ cds: { same: '1', new: '1', changed: '2' }, sds: { s: '1' } });
      const sidecar = rig.open();
      sidecar.want('cds', [], had('same', 'changed', 'gone'));
      await sidecar.hears('cds +new@1 +changed@2');
      sidecar.want('sds', ['s', 'lost', 'never'], had('s', 'lost'));
      await sidecar.hears('sds -never');
      sidecar.ack('sds');
      sidecar.ack('cds');
      await sidecar.hears('cds -gone');
      sidecar.ack('cds');
      await sidecar.hears('sds -lost');
    },
    A_MOMENT,
  );

  delta(
    'the same when the first snapshot comes late',
    async (rig) => {
      const sidecar = rig.open();
      sidecar.want('cds', [], had('a', 'gone'));
      await eventsOf(rig, 'opened');
      rig.publish({ cds: { a: '1', b: '1' } });
      await sidecar.hears('cds +b@1');
      sidecar.ack('cds');
      await sidecar.hears('cds -gone');
    },
    A_MOMENT,
  );

  delta('names that are subscribed to without a version are answered', async (rig) => {
    rig.publish({ rds: { a: '1', b: '1' } });
    const sidecar = rig.open();
    sidecar.want('rds', ['a', 'b'], had('a'));
    await sidecar.hears('rds +b@1');
  });

  delta(
    'endpoints that are named before any clusters are sent although they are held: one may wait for them',
    async (rig) => {
      rig.publish({ cds: { a: '2' }, eds: { a: '1' }, lds: { l: '1' } });
      const sidecar = rig.open();
      sidecar.want('eds', ['a', 'gone'], had('a', 'gone'));
      await sidecar.hears('eds +a@1 -gone');
      sidecar.want('lds', [], had('l'));
      sidecar.ack('eds');
      sidecar.want('cds', [], { initialResourceVersions: { a: '2' } });
      await sidecar.quiet();
    },
  );

  delta('versions of names that are not subscribed to count for nothing', async (rig) => {
    rig.publish({ eds: { a: '1', b: '2' } });
    const sidecar = rig.open();
    sidecar.want('eds', ['a'], had('b', 'gone'));
    await sidecar.hears('eds +a@1');
    sidecar.ack('eds');
    await sidecar.quiet();
  });

  delta(
    'under a wildcard versions of any name count, that of a name just dropped included',
    async (rig) => {
      rig.publish({ cds: { a: '1' } });
      const sidecar = rig.open();
      sidecar.want('cds', ['*', 'a'], had('a', 'ambiguous'));
      await sidecar.hears('cds -ambiguous');
    },
    A_MOMENT,
  );

  delta('versions count in the first request of a type only', async (rig) => {
    rig.publish({ cds: { a: '1' }, sds: { s: '1' } });
    const sidecar = rig.open();
    sidecar.want('cds');
    await sidecar.hears('cds +a@1');
    sidecar.want('sds', ['s'], had('s'));
    await sidecar.quiet();
    sidecar.ack('cds', { initialResourceVersions: { a: '9', b: '9' } });
    sidecar.ask(TYPE.cds, { initialResourceVersions: { a: '9', b: '9' } });
    await sidecar.quiet();
  });

  delta('a version that nobody gave, the empty one included, is an old one', async (rig) => {
    rig.publish({ cds: { a: '1', b: '1' } });
    const sidecar = rig.open();
    sidecar.want('cds', [], { initialResourceVersions: { a: '', b: 'of another server' } });
    await sidecar.hears('cds +a@1 +b@1');
  });

  delta('what is held by who comes back counts as accepted', async (rig) => {
    rig.publish({ cds: { a: '1' } });
    const sidecar = rig.open();
    sidecar.want('cds', [], had('a'));
    await sidecar.quiet();
    assert.equal(
      (await eventsOf(rig, 'progress')).some(({ progress }) => progress === 'settled'),
      true,
    );
  });

  delta('the same for a type that it speaks of when all others have settled', async (rig) => {
    rig.publish({ cds: { a: '1' }, sds: { s: '1' } });
    const sidecar = rig.open();
    sidecar.want('cds', [], had('a'));
    await eventsOf(rig, 'progress');
    sidecar.want('sds', ['s'], had('s'));
    const held = () =>
      rig.events.flatMap((e) => (e.kind === 'progress' ? [`${e.progress} ${e.held.get(TYPE.sds)?.get('s')}`] : []));
    await until(() => held().includes('settled 1'));
  });

  delta('changed routes wait for the clusters of who comes back', async (rig) => {
    rig.publish({ cds: { a: '1', b: '1' }, eds: { a: '1', b: '1' }, lds: { l: '1' }, rds: { r: '2' } });
    const sidecar = rig.open();
    sidecar.want('cds', [], had('a'));
    sidecar.want('eds', ['a'], had('a'));
    sidecar.want('lds', [], had('l'));
    sidecar.want('rds', ['r'], had('r'));
    await sidecar.hears('cds +b@1');
    sidecar.ack('cds');
    await sidecar.quiet();
    sidecar.want('eds', ['a', 'b']);
    await sidecar.hears('eds +b@1');
    sidecar.ack('eds');
    await sidecar.hears('rds +r@2');
  });

  delta(
    'clusters that vanished go after the routes that used them, although the clusters were named first',
    async (rig) => {
      rig.publish({ lds: { l: '1' }, rds: { r: '2' } });
      const sidecar = rig.open();
      sidecar.want('cds', [], had('a'));
      sidecar.want('eds', ['a'], had('a'));
      sidecar.want('lds', [], had('l'));
      sidecar.want('rds', ['r'], had('r'));
      await sidecar.hears('rds +r@2');
      sidecar.ack('rds');
      await sidecar.hears('cds -a');
      sidecar.ack('cds');
      await sidecar.hears('eds -a');
    },
    A_MOMENT,
  );
});

checklist(
  'coming back in state of the world',
  `${PROTOCOL}#ack-nack-and-resource-type-instance-version`,
  ({ sotw }) => {
    sotw('who comes back with a wildcard and the version of all is sent nothing, and then the changes', async (rig) => {
      const first = await rig.settled(whole('1'));
      const back = rig.open({ nodeId: 'prod/web/2' });
      back.want('cds', [], { version: first.last('cds').version });
      back.want('lds', ['*'], { version: first.last('lds').version });
      await back.quiet();
      rig.publish({ ...whole('1'), cds: { a: '1', b: '1' } });
      await back.hears('cds +a@1 +b@1');
    });

    sotw('who comes back with another version is sent all there is', async (rig) => {
      const first = await rig.settled(whole('1'));
      const { version } = first.last('cds');
      first.close();
      rig.publish({ cds: { b: '1' } });
      const back = rig.open();
      back.want('cds', [], { version });
      await back.hears('cds +b@1');
      back.want('lds', [], { version: 'of another server' });
      await back.hears('lds');
    });

    sotw('what is asked for by name is sent again, whatever the version: it may never have been held', async (rig) => {
      const first = await rig.settled({ cds: { a: '1' }, eds: { a: '1' }, sds: { s: '1' } });
      const back = rig.open();
      back.want('eds', ['a'], { version: first.last('eds').version });
      await back.hears('eds +a@1');
      back.want('sds', ['s'], { version: first.last('sds').version });
      await back.hears('sds +s@1');
      back.want('cds', ['a'], { version: first.last('cds').version });
      await back.hears('cds +a@1');
    });
  },
);

import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Variant } from '../../../../src/xds/sessionState.ts';
import { type Envoy, hear, live, type Mesh, meshSnapshot, newEnvoy, restart } from './envoyModel.ts';
import { PROTOCOL } from './rig.ts';

const versions = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom('1', '2', '3'));

const mesh: fc.Arbitrary<Mesh> = versions.chain((clusters) => {
  const names = Object.keys(clusters);
  const none: fc.Arbitrary<string[]> = fc.constant([]);
  const refs = names.length === 0 ? none : fc.uniqueArray(fc.constantFrom(...names));
  return fc.dictionary(fc.constantFrom('r', 's'), fc.tuple(refs, refs)).map((pairs) => ({
    clusters,
    listeners: Object.fromEntries(Object.entries(pairs).map(([name, [refs]]) => [name, refs])),
    routes: Object.fromEntries(Object.entries(pairs).map(([name, [, refs]]) => [name, refs])),
  }));
});

type Step = number | Mesh | 'restart' | 'refuse';

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: mesh },
  { weight: 1, arbitrary: fc.constant('restart' as const) },
  { weight: 1, arbitrary: fc.constant('refuse' as const) },
  { weight: 24, arbitrary: fc.nat(2) },
);

/** Lets everything under way come to its end. */
const rest = (e: Envoy): void => {
  e.refusing = false;
  for (let i = 0; i < 2000; i += 1) {
    if (live(e, i)) continue;
    if (!e.connection.session.holding) return;
    hear(e, { kind: 'waited' });
  }
  assert.fail('it does not come to rest');
};

const sorted = (map: ReadonlyMap<string, string>): readonly (readonly [string, string])[] => [...map].sort();

const assertHolds = (e: Envoy, { clusters, listeners, routes }: Mesh): void => {
  const held = new Map([...e.clusters].map(([name, { version }]) => [name, version]));
  assert.deepEqual(sorted(held), sorted(new Map(Object.entries(clusters))));
  for (const [name, { warm }] of e.clusters) assert.ok(warm, `${name} still waits for its endpoints`);
  if (e.listeners.size === 0 && e.routes.size === 0 && Object.keys(clusters).length === 0) return;
  const refs = (of: Readonly<Record<string, readonly string[]>>) =>
    sorted(new Map(Object.entries(of).map(([name, list]) => [name, list.join(',')])));
  assert.deepEqual(sorted(e.listeners), refs(listeners));
  assert.deepEqual(sorted(e.routes), refs(routes));
};

const run = (variant: Variant, start: Mesh, steps: readonly Step[]): void => {
  const e = newEnvoy(variant, meshSnapshot(start));
  let newest = start;
  for (const s of steps) {
    if (typeof s === 'number') live(e, s);
    else if (s === 'restart') restart(e, meshSnapshot(newest));
    else if (s === 'refuse') e.refusing = true;
    else {
      newest = s;
      hear(e, { kind: 'published', snapshot: meshSnapshot(s) });
    }
  }
  rest(e);
  // What was refused is not sent again until its content changes.
  const last: Mesh = { clusters: { a: '9', z: '1' }, listeners: { r: ['z'] }, routes: { r: ['z', 'a'] } };
  hear(e, { kind: 'published', snapshot: meshSnapshot(last) });
  rest(e);
  assertHolds(e, last);
};

describe(`xDS rules: make before break, whatever happens (${PROTOCOL}#eventual-consistency-considerations)`, function () {
  this.timeout(60_000);

  for (const variant of ['delta', 'sotw'] as const) {
    it(`no live listener or route ever refers to a cluster that is not served [${variant}]`, () => {
      fc.assert(
        fc.property(mesh, fc.array(step, { maxLength: 120, size: 'max' }), (start, steps) =>
          run(variant, start, steps),
        ),
        { numRuns: 400 },
      );
    });
  }
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { assemble } from '../../../src/control/assemble.ts';
import type { Registration } from '../../../src/control/endpointTracker.ts';
import { decodeJson, endpointKey } from '../../../src/control/keys.ts';
import { emitProxy } from '../../../src/emit/emitProxy.ts';
import type { ServiceKey } from '../../../src/model/mesh.ts';
import { planProxy } from '../../../src/plan/planProxy.ts';
import type { Endpoint, EndpointTable } from '../../../src/plan/proxyPlan.ts';
import { type Snapshot, TYPE, type TypeName } from '../../../src/xds/resource.ts';
import type { StreamEvent } from '../../../src/xds/server.ts';
import { TestControl } from '../../support/controlPlane.ts';
import { meshFrom } from '../../support/plans.ts';
import { SimulatedSidecar } from '../../support/simulatedSidecar.ts';

const SERVICES = ['web', 'orders', 'ledger'] as const;
const TYPES: readonly TypeName[] = ['cds', 'eds', 'lds', 'rds'];

type Spec = {
  readonly mtls: string;
  readonly callers: readonly string[];
  readonly path: string;
  readonly port: number;
  readonly tcp: boolean;
  readonly static: boolean;
};

const UNTIL = '2027-01-01T00:05:00Z';
const spec: fc.Arbitrary<Spec> = fc.record({
  mtls: fc.constantFrom('strict', 'disable', `{ mode: permissive, until: ${UNTIL} }`),
  callers: fc.uniqueArray(fc.constantFrom(...SERVICES), { minLength: 1 }),
  // What clients refuse stands in routes: they read it as Envoy reads a bad expression.
  path: fc.constantFrom('one', 'two', 'bad'),
  port: fc.constantFrom(8080, 8081),
  tcp: fc.boolean(),
  static: fc.boolean(),
});
type Edit = { readonly [name in (typeof SERVICES)[number]]: Spec };

const meshOf = (edit: Edit): string => {
  const lines = SERVICES.map((name) => {
    const { mtls, callers, path, port, tcp, static: fixed } = edit[name];
    const rules = callers.map((from) =>
      tcp ? `{ from: ${from}, until: ${UNTIL} }` : `{ from: ${from}, to: GET /${path} }`,
    );
    const endpoints = fixed ? ', endpoints: [{ address: 192.0.2.9 }]' : '';
    return `  ${name}: { ports: [${port}:3000/${tcp ? 'tcp' : 'http'}], mtls: ${mtls}, allow: [${rules.join(', ')}]${endpoints} }\n`;
  });
  return `mesh: { trustDomain: shop.example }\nservices:\n${lines.join('')}`;
};

type Act =
  | { readonly do: 'save'; readonly edit: Edit }
  | { readonly do: 'join' | 'leave' | 'deaf' | 'hear' | 'drop' | 'slow' | 'fast'; readonly who: number }
  | { readonly do: 'time'; readonly span: number };

const edit: fc.Arbitrary<Edit> = fc.record({ web: spec, orders: spec, ledger: spec });
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('save' as const), edit }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('join', 'leave', 'deaf', 'hear', 'drop', 'slow', 'fast'),
      who: fc.nat(5),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('time' as const), span: fc.constantFrom(500, 4_000, 200_000) }) },
);

/** What the store says of who registered, which the control plane reads after a restart. */
const endpointsIn = (test: TestControl): EndpointTable => {
  const found = new Map<ServiceKey, Endpoint[]>();
  for (const entry of test.store.list(endpointKey(''))) {
    const one = decodeJson<Registration>(entry) ?? assert.fail();
    found.set(one.service, [...(found.get(one.service) ?? []), { address: one.address, ports: {}, mtls: 'sidecar' }]);
  }
  for (const list of found.values()) list.sort((a, b) => (a.address < b.address ? -1 : 1));
  return found;
};

const nameOf = (who: number): (typeof SERVICES)[number] => SERVICES[who % 3] ?? 'web';
const nodeOf = (who: number): string => `default/${nameOf(who)}/${who}`;

/** A control plane and its sidecars, by number; those below 3 refuse bad routes if any do. */
class Play {
  readonly test: TestControl;
  readonly sidecars = new Map<number, SimulatedSidecar>();
  readonly refusers: boolean;
  saved: string;
  readonly #tokens = new Map<string, string>();
  readonly #slow = new Map<string, () => void>();
  #seen = 0;

  constructor(test: TestControl, saved: string, refusers: boolean) {
    this.test = test;
    this.saved = saved;
    this.refusers = refusers;
    test.onPublished = () => queueMicrotask(() => this.#deliver());
  }

  async perform(one: Act): Promise<void> {
    if (one.do === 'save') await this.#save(meshOf(one.edit));
    else if (one.do === 'time') await this.test.clock.advance(one.span);
    else if (one.do === 'join') await this.#join(one.who);
    else if (one.do === 'leave') this.#leave(one.who);
    else if (one.do === 'drop') {
      const gone = this.#leave(one.who);
      if (gone !== undefined) await this.#join(one.who, gone.held);
    } else if (one.do === 'slow' || one.do === 'fast') this.#pace(nodeOf(one.who), one.do === 'slow');
    else {
      const sidecar = this.sidecars.get(one.who);
      if (sidecar !== undefined) sidecar.deaf = one.do === 'deaf';
    }
    this.#deliver();
    for (let i = 0; i < 6; i += 1) this.#hear();
  }

  /** Until nothing moves any more. */
  async catchUp(): Promise<void> {
    for (const sidecar of this.sidecars.values()) sidecar.deaf = false;
    for (const node of [...this.#slow.keys()]) this.#pace(node, false);
    for (let quiet = 0, rounds = 0; quiet < 3; rounds += 1) {
      assert.ok(rounds < 5_000, 'it comes to no end');
      this.#deliver();
      let moved = this.#hear();
      if (!moved) {
        await this.test.clock.advance(1);
        moved = this.#seen < this.test.published.length;
      }
      quiet = moved ? 0 : quiet + 1;
    }
  }

  async close(): Promise<void> {
    for (const node of [...this.#slow.keys()]) this.#pace(node, false);
    await this.test.close();
  }

  #hear(): boolean {
    let moved = false;
    for (const sidecar of this.sidecars.values()) moved = sidecar.hear() || moved;
    return moved;
  }

  #deliver(): void {
    for (; this.#seen < this.test.published.length; this.#seen += 1) {
      const { stream, snapshot } = this.test.published[this.#seen] ?? assert.fail();
      [...this.sidecars.values()].find((s) => s.stream === stream)?.feed({ kind: 'published', snapshot });
    }
  }

  async #save(text: string): Promise<void> {
    if (text !== this.saved) await this.test.save(text);
    this.saved = text;
  }

  async #join(who: number, held?: SimulatedSidecar['held']): Promise<void> {
    if (this.sidecars.has(who)) return;
    const { test } = this;
    const token = this.#tokens.get(nameOf(who)) ?? (await test.token(`default/${nameOf(who)}`));
    this.#tokens.set(nameOf(who), token);
    const stream = await test.connect(token, nodeOf(who), `10.0.0.${who + 1}`);
    assert.ok(typeof stream === 'string', JSON.stringify(stream));
    const tell = (event: StreamEvent): void => test.event(event);
    const sidecar = new SimulatedSidecar(stream, this.refusers && who < 3, test.clock.now, tell);
    for (const [type, resources] of held ?? []) sidecar.held.set(type, resources);
    this.sidecars.set(who, sidecar);
    sidecar.start();
    const last = test.published.filter((p) => p.stream === stream).at(-1);
    if (last !== undefined) sidecar.feed({ kind: 'published', snapshot: last.snapshot });
  }

  #leave(who: number): SimulatedSidecar | undefined {
    const sidecar = this.sidecars.get(who);
    this.sidecars.delete(who);
    const at = this.test.clock.now();
    if (sidecar !== undefined) this.test.event({ kind: 'closed', stream: sidecar.stream, at });
    return sidecar;
  }

  /** The certificate of a node takes long, or long enough. */
  #pace(node: string, isSlow: boolean): void {
    const { slow } = this.test.svids;
    if (isSlow && !this.#slow.has(node)) slow.set(node, new Promise((resolve) => this.#slow.set(node, resolve)));
    if (isSlow) return;
    slow.delete(node);
    this.#slow.get(node)?.();
    this.#slow.delete(node);
  }
}

/** What this sidecar would be sent if nothing had been before: no object is shared with what was planned. */
const freshFor = ({ test, saved }: Play, who: number): Snapshot => {
  const outbound = { host: '127.0.0.1', port: 15001 };
  const ref = { service: `default/${nameOf(who)}`, address: undefined, outbound } as const;
  const plan = planProxy(meshFrom(saved, test.clock.now()), test.clock.now(), ref, endpointsIn(test));
  assert.ok(plan);
  return assemble(emitProxy(plan), []);
};

const checkOne = (play: Play, who: number, sidecar: SimulatedSidecar): void => {
  const fresh = freshFor(play, who);
  let lacks = false;
  for (const type of TYPES) {
    const held = sidecar.held.get(TYPE[type]) ?? new Map<string, { readonly version: string }>();
    for (const [name, { version, any }] of fresh.get(TYPE[type]) ?? []) {
      const has = held.get(name)?.version === version;
      const mayLack = play.refusers && type === 'rds' && Buffer.from(any).includes('/bad');
      if (!mayLack) assert.ok(has, `${who} has an older ${type} ${name}`);
      if (mayLack && sidecar.refuses) assert.ok(!has);
      lacks ||= !has;
    }
    if (!play.refusers) assert.deepEqual([...held.keys()].sort(), [...(fresh.get(TYPE[type])?.keys() ?? [])].sort());
  }
  const shown = play.test.control.status().sidecars.find(({ node }) => node === nodeOf(who));
  if (lacks || !play.refusers) assert.equal(shown?.progress, lacks ? 'refused' : 'settled');
};

/** Saves, joiners, leavers, slow certificates and sidecars that do not answer, in any order; then all of them catch up. */
const run = async (first: Edit, acts: readonly Act[], refusers: boolean): Promise<void> => {
  const play = new Play(await TestControl.start(meshOf(first)), meshOf(first), refusers);
  try {
    for (const who of [0, 1, 2, 3, 4, 5]) await play.perform({ do: 'join', who });
    for (const one of acts) await play.perform(one);
    await play.catchUp();
    for (const [who, sidecar] of play.sidecars) checkOne(play, who, sidecar);
  } finally {
    await play.close();
  }
};

describe('a control plane after many edits', function () {
  this.timeout(600_000);

  for (const refusers of [false, true]) {
    it(`has given every sidecar what a fresh plan gives${refusers ? ', but what some of its service refuse' : ''}`, () =>
      fc.assert(
        fc.asyncProperty(edit, fc.array(act, { maxLength: 14, size: 'max' }), (...acts) => run(...acts, refusers)),
        { numRuns: 5 },
      ));
  }
});

import assert from 'node:assert/strict';
import type { ChannelAuthority, MeshAuthority } from '../../src/ca/authority.ts';
import { readJournal } from '../../src/ca/caDocument.ts';
import { openAuthority } from '../../src/ca/openAuthority.ts';
import type { Store } from '../../src/lib/store.ts';
import { parseTrustDomain, type TrustDomain, workloadId } from '../../src/spiffe/spiffeId.ts';
import { certify, signIntermediate } from './enterprise.ts';

export const SCRIPT_NOW = Date.UTC(2027, 4, 17);
const trustDomain = parseTrustDomain('shop.example') as TrustDomain;
const DAY = 86_400_000;
const ELSEWHERE = 'Drill Root';

/** A CA somewhere else signs what is asked for below a new root. */
const signElsewhere = (csr: string): string => {
  const span = { notBefore: SCRIPT_NOW - DAY, notAfter: SCRIPT_NOW + 3000 * DAY };
  const root = certify({ name: ELSEWHERE, ...span });
  return signIntermediate(csr, root, span).pem + root.pem;
};

/** One commit towards an imported intermediate: the request, then its chain. */
const importStep = async ({ imports, describe }: MeshAuthority, now: number): Promise<void> => {
  const isAsked = describe().requested !== undefined;
  const { csr } = await imports.request(false, now);
  if (isAsked) await imports.take(signElsewhere(csr), now);
};

/** One change of the mesh's CAs: which one follows from the state and a number, so that any start goes on from any state. */
const changeMesh = async (mesh: MeshAuthority, n: number, now: number): Promise<void> => {
  const { rotation, prepare, describe } = mesh;
  const plan = rotation.plan();
  const { slots, root } = describe();
  const isPrepared = slots.some(({ state }) => state === 'prepared');
  if (plan === undefined && !isPrepared && (n % 2 === 0 || root.subject.includes(ELSEWHERE)))
    return importStep(mesh, now);
  if (plan === undefined)
    return rotation.start((['root', 'intermediate', 'compromise'] as const)[n % 3] ?? 'root', 'drill', now);
  if (plan.paused) return rotation.resume(now);
  if (n % 11 === 3) return rotation.pause(now);
  if (n % 7 === 5) await prepare(365 * DAY, now);
  if (n % 5 === 2 && plan.kind !== 'compromise') return rotation.abort('drill', now);
  // Right after it was tainted there is no generation before.
  if (n % 13 === 7 && !(plan.kind === 'compromise' && plan.step === 'issue')) return rotation.restorePrevious(now);
  return rotation.advance(plan, now);
};

const changeChannel = async ({ rotation, slots }: ChannelAuthority, n: number, now: number): Promise<void> => {
  const states = slots().map(({ state }) => state);
  if (states.includes('prepared')) return n % 3 === 0 ? rotation.abort(now) : rotation.activate(now);
  return states.includes('old') ? rotation.retire(now) : rotation.prepare(now);
};

/** Changes CAs from step `from` on; `told` hears of each commit that counts as done. */
export const runCaScript = async (
  store: Store,
  steps: { readonly from: number; readonly to: number },
  told: (line: string) => void,
): Promise<void> => {
  const { mesh, channel } = await openAuthority({ store, trustDomain, now: SCRIPT_NOW });
  for (let n = steps.from; n < steps.to; n++) {
    const now = SCRIPT_NOW + n;
    if (n % 4 === 1) await changeChannel(channel, n, now);
    else await changeMesh(mesh, n, now);
    told(`${mesh.describe().generation} ${mesh.describe().root.serial} ${mesh.describe().intermediate.serial}`);
  }
};

/**
 * What must hold of a store after any crash: it opens, its journal is whole, every CA has its key, nothing lies in it that
 * nobody knows, and it issues leaves that its own bundle vouches for. Returns the line that the script tells.
 */
export const auditCaStore = async (store: Store, now = SCRIPT_NOW + 60_000): Promise<string> => {
  const { mesh, channel } = await openAuthority({ store, trustDomain, now });
  const { generation, root, intermediate } = mesh.describe();
  const svid = mesh.issue(workloadId(trustDomain, 'prod', 'web'), DAY, now);
  assert.ok(mesh.vouchesFor(svid, now));
  assert.ok(channel.serverCredentials(now).chainPem.includes('BEGIN CERTIFICATE'));
  for (const name of ['mesh', 'channel']) {
    const lines = readJournal(store, `ca/${name}`);
    lines.forEach(({ from, to }, at) => {
      const begin = lines[0]?.from ?? 0;
      assert.deepEqual([from, to], [begin + at, begin + at + 1]);
    });
    assert.ok(lines[0]?.from === 0 || lines.length === 1000, 'the journal begins at the first or keeps 1,000 lines');
    const previous = lines.length > 1;
    assert.equal(store.get(`ca/${name}/previous`) !== undefined, previous, `${name}: the generation before`);
  }
  assert.equal(readJournal(store, 'ca/mesh').at(-1)?.to, generation);
  const known = /^ca\/(mesh|channel)(\/previous)?$|^ca\/journal\/(mesh|channel)\/\d{10}$/;
  for (const { key } of store.list('')) assert.match(key, known);
  return `${generation} ${root.serial} ${intermediate.serial}`;
};

import { meshLoader } from '../../src/app/meshLoader.ts';
import { checkHealth } from '../../src/control/health/checks.ts';
import type { HealthFacts, KeptInstance, SidecarFacts } from '../../src/control/health/facts.ts';
import type { Finding } from '../../src/control/health/finding.ts';
import type { Mesh } from '../../src/model/mesh.ts';
import { NO_ROTATION } from './idleRotation.ts';

export const NOW = Date.UTC(2027, 0, 1, 12);
export const DAY = 86_400_000;

export const meshOf = (text: string): Mesh => {
  const loaded = meshLoader({})('mesh.yaml', Buffer.from(text));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
  return loaded.value.mesh;
};

const MESH = meshOf(`mesh: { trustDomain: shop.example }
services:
  web: {}
  orders: { ports: [8080/http], allow: [web] }
`);

export const sidecar = (node: string, more: Partial<SidecarFacts> = {}): SidecarFacts => ({
  node,
  token: '0123456789abcdef',
  peer: '10.0.0.1',
  progress: 'settled',
  progressSince: NOW - 60_000,
  open: [],
  refused: [],
  trouble: undefined,
  certificate: { serial: '01', notBefore: NOW - DAY / 4, notAfter: NOW + (DAY * 3) / 4 },
  holding: { state: 'held', error: undefined },
  ...more,
});

export const kept = (node: string, why: KeptInstance['why'], more: Partial<KeptInstance> = {}): KeptInstance => ({
  node,
  service: 'default/orders',
  leftAt: NOW - 30_000,
  why,
  until: why === 'last' ? undefined : NOW + 570_000,
  ...more,
});

export const authority = (role: HealthFacts['authorities'][number]['role'], left = 300 * DAY) => ({
  role,
  notBefore: NOW - DAY,
  notAfter: NOW + left,
});

export const HEALTHY: HealthFacts = {
  ...NO_ROTATION,
  now: NOW,
  version: '1.2.3',
  startedAt: NOW - 3_600_000,
  storeTrouble: undefined,
  file: { name: 'mesh.yaml', unread: false, problem: undefined, warnings: [] },
  mesh: MESH,
  planning: false,
  sidecars: [sidecar('default/web/a'), sidecar('default/orders/a')],
  quarantined: [],
  revocations: [],
  registered: new Map([['default/orders', 1]]),
  kept: [],
  graceUntil: undefined,
  failing: [],
  clock: { behind: 0, lastJump: undefined, drifting: [], telling: 0 },
  authorities: [authority('root'), authority('intermediate'), authority('channel')],
};

const MARK = { ok: '√', warning: '‼', failure: '×' };
const show = ({ level, code, message, pending }: Finding): string =>
  `${MARK[level]} ${code} ${message.replace(/revision \S+/, 'revision R')}${pending ? ' …' : ''}`;
const look = (facts: Partial<HealthFacts>): readonly string[] =>
  checkHealth({ ...HEALTHY, ...facts }).findings.map(show);

/** The lines that differ from those of a healthy mesh. */
export const changed = (facts: Partial<HealthFacts>): readonly string[] => {
  const healthy = new Set(look({}));
  return look(facts).filter((line) => !healthy.has(line));
};

import type { Emitted } from '../emit/emitted.ts';
import { showDiagnostic, showLocation } from '../lib/diagnostic.ts';
import { printable } from '../lib/printable.ts';
import { iso } from '../lib/time.ts';
import type { X509Svid } from '../spiffe/svid.ts';
import { holdingsOf, typeVersion } from '../xds/holdings.ts';
import type { Mark, SidecarRecord, TypeRecord } from '../xds/ledger.ts';
import { type Snapshot, TYPE, type TypeName, type TypeUrl } from '../xds/resource.ts';
import type { RegisteredInstance } from './endpointTracker.ts';
import type { MeshState } from './meshSource.ts';
import type { Withheld } from './quarantine.ts';
import { type QuarantineStatus, quarantineStatus } from './quarantineStatus.ts';
import type { RefusingAnswer } from './revocation/answer.ts';
import type { Sidecar } from './sidecar.ts';

/** What `signet status -o json` prints. Moments are ISO 8601 in UTC. */
export type FleetStatus = {
  readonly mesh: {
    readonly file: string;
    readonly revision: string;
    readonly loadedAt: string;
    /** Why the file on disk is not what is served. */
    readonly problem: {
      readonly since: string;
      readonly message: string;
      /** `file:line:column CODE message (hint)` */
      readonly diagnostics: readonly string[];
    } | null;
  };
  readonly sidecars: readonly SidecarStatus[];
  /** What is kept from sidecars because some refused it. */
  readonly quarantined: readonly QuarantineStatus[];
  /** Instances that callers are still told of although their sidecar is not connected. */
  readonly away: readonly { readonly node: string; readonly address: string; readonly since: string }[];
  /** Revocations of which something is still refused, the newest first. */
  readonly revocations: readonly RevocationStatus[];
  readonly warnings: readonly string[];
};

export type RevocationStatus = {
  readonly act: string;
  readonly at: string;
  readonly what: string;
  readonly reason: string | null;
  readonly serials: readonly string[];
  readonly refusing: RefusingAnswer;
};

export type SidecarStatus = {
  readonly node: string;
  readonly service: string;
  /** What callers are told. */
  readonly address: string;
  /** Where its stream comes from. */
  readonly peer: string;
  readonly connectedSince: string;
  /** `settled`: took everything; `refused`: said no to something, or is kept from what others said no to; `pending`: has not answered yet. */
  readonly progress: 'pending' | 'settled' | 'refused';
  readonly progressSince: string;
  readonly types: Readonly<Partial<Record<TypeName, TypeStatus>>>;
  readonly certificate: { readonly serial: string; readonly notAfter: string } | null;
};

export type TypeStatus = {
  readonly sent: string | null;
  readonly acked: string | null;
  readonly nacked: string | null;
  readonly sentAt: string | null;
  readonly ackedAt: string | null;
  readonly nackedAt: string | null;
  /** The sidecar's words, then the lines of mesh.yaml that it refused. */
  readonly error: string | null;
};

/** One connected sidecar with all that is known of it. */
export type Connected = {
  readonly sidecar: Sidecar;
  readonly record: SidecarRecord;
  readonly svid: X509Svid | undefined;
  readonly snapshot: Snapshot | undefined;
  readonly emitted: readonly Emitted[];
  readonly withheld: readonly Withheld[];
};

/** The state of the fleet as a value. */
export const fleetStatus = (
  mesh: MeshState,
  connected: readonly Connected[],
  instances: readonly RegisteredInstance[],
  revocations: readonly RevocationStatus[],
): FleetStatus => ({
  mesh: {
    file: mesh.file,
    revision: mesh.mesh.revision,
    loadedAt: iso(mesh.loadedAt),
    problem:
      mesh.problem === undefined
        ? null
        : {
            since: iso(mesh.problem.since),
            message: mesh.problem.message,
            diagnostics: mesh.problem.diagnostics.map(showDiagnostic),
          },
  },
  sidecars: connected.map(sidecarStatus).sort((a, b) => (a.node < b.node ? -1 : 1)),
  quarantined: quarantineStatus(connected),
  away: instances.flatMap(({ node, address, leftAt }) =>
    leftAt === undefined ? [] : [{ node, address, since: iso(leftAt) }],
  ),
  revocations,
  warnings: twice(connected),
});

const sidecarStatus = ({ sidecar, record, svid, snapshot, emitted }: Connected): SidecarStatus => {
  const types: Partial<Record<TypeName, TypeStatus>> = {};
  for (const name of Object.keys(TYPE) as TypeName[]) {
    const known = record.types.get(TYPE[name]);
    if (known !== undefined) types[name] = typeStatus(known, emitted);
    // A gRPC client asks for fewer types, and brings nothing along.
    else if (record.progress === 'settled' && sidecar.client === 'envoy') {
      types[name] = broughtAlong(TYPE[name], snapshot);
    }
  }
  return {
    node: sidecar.node,
    service: sidecar.service,
    address: sidecar.address ?? sidecar.peer,
    peer: sidecar.peer,
    connectedSince: iso(sidecar.connectedSince),
    progress: record.progress,
    progressSince: iso(record.progressSince),
    types,
    certificate: svid === undefined ? null : { serial: svid.serial, notAfter: iso(svid.notAfter) },
  };
};

const typeStatus = ({ sent, acked, nacked }: TypeRecord, emitted: readonly Emitted[]): TypeStatus => ({
  sent: sent?.version ?? null,
  acked: acked?.version ?? null,
  nacked: nacked?.version ?? null,
  sentAt: momentOf(sent),
  ackedAt: momentOf(acked),
  nackedAt: momentOf(nacked),
  error: nacked === undefined ? null : explainNack(nacked.error, nacked.resources, emitted),
});

const momentOf = (mark: Mark | undefined): string | null => (mark === undefined ? null : iso(mark.at));

/** A sidecar that came back with all of a type was sent nothing of it on this stream, and has it. */
const broughtAlong = (type: TypeUrl, snapshot: Snapshot | undefined): TypeStatus => {
  const resources = [...(snapshot?.get(type)?.values() ?? [])];
  const held = typeVersion(holdingsOf(resources.map(({ name, version }) => [name, version] as const)));
  return { sent: held, acked: held, nacked: null, sentAt: null, ackedAt: null, nackedAt: null, error: null };
};

/** The same record, each of its refusals explained. */
export const explainedRecord = (record: SidecarRecord, emitted: readonly Emitted[]): SidecarRecord => ({
  ...record,
  types: record.types.map((type) => explainedType(type, emitted)),
});

const explainedType = (type: TypeRecord, emitted: readonly Emitted[]): TypeRecord => {
  const { nacked } = type;
  if (nacked === undefined) return type;
  return { ...type, nacked: { ...nacked, error: explainNack(nacked.error, nacked.resources, emitted) } };
};

/** A sidecar's refusal as one line, and the lines of mesh.yaml that the refused resources come from. */
export const explainNack = (
  error: string,
  resources: readonly { readonly name: string }[],
  emitted: readonly Emitted[],
): string => {
  const names = new Set(resources.map(({ name }) => name));
  const lines = emitted.flatMap(({ name, source }) =>
    names.has(name) && source !== undefined ? [showLocation(source)] : [],
  );
  const said = printable(error);
  return lines.length === 0 ? said : `${said} (from ${[...new Set(lines)].join(', ')})`;
};

/** Two live streams of one node id from different places: two sidecars that share a bootstrap, or a stolen one. */
const twice = (connected: readonly Connected[]): readonly string[] => {
  const peers = new Map<string, Set<string>>();
  for (const { sidecar } of connected) {
    peers.set(sidecar.node, (peers.get(sidecar.node) ?? new Set()).add(sidecar.peer));
  }
  return [...peers]
    .filter(([, addresses]) => addresses.size > 1)
    .map(([node, addresses]) => `${node} has live streams from ${[...addresses].sort().join(' and ')} at once`);
};

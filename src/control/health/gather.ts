import { showDiagnostic } from '../../lib/diagnostic.ts';
import type { Instant } from '../../lib/time.ts';
import type { ServiceKey } from '../../model/mesh.ts';
import { waitingFor } from '../../xds/ledger.ts';
import { typeNameOf } from '../../xds/resource.ts';
import type { WorkloadCertificates } from '../certificates/workloadCertificates.ts';
import type { Clock } from '../clock.ts';
import type { EndpointTracker } from '../endpointTracker.ts';
import type { Fleet } from '../fleet.ts';
import type { MeshSource } from '../meshSource.ts';
import type { QuarantineStatus } from '../quarantineStatus.ts';
import type { Reconciler } from '../reconciler.ts';
import type { RevocationFacts } from '../revocation/revocation.ts';
import { explainNack } from '../status.ts';
import type { WatchedStore } from '../watchedStore.ts';
import type { ControlFacts, SidecarFacts } from './facts.ts';

/** Where the facts are. */
export type Sources = {
  readonly clock: Clock;
  readonly startedAt: Instant;
  readonly store: WatchedStore;
  readonly source: MeshSource;
  readonly fleet: Fleet;
  readonly reconciler: Reconciler;
  readonly tracker: EndpointTracker;
  readonly quarantined: () => readonly QuarantineStatus[];
  readonly certificates: WorkloadCertificates;
  readonly revocations: () => readonly RevocationFacts[];
};

/** What is known now. The file is looked at first, so that a save just before the question is not missed. */
export const gatherFacts = async (sources: Sources): Promise<ControlFacts> => {
  const { clock, startedAt, store, source, fleet, reconciler, tracker } = sources;
  const unread = await source.isBehind();
  const { mesh, file, problem, warnings } = source.state();
  const now = clock.now();
  const registered = new Map<ServiceKey, number>();
  for (const { service } of tracker.list()) registered.set(service, (registered.get(service) ?? 0) + 1);
  return {
    now,
    startedAt,
    storeTrouble: store.trouble(),
    file: { name: file, unread, problem, warnings: warnings.map(showDiagnostic) },
    mesh,
    planning: reconciler.busy,
    sidecars: fleet.members().map((member) => sidecarFacts(member, sources)),
    quarantined: sources.quarantined(),
    revocations: sources.revocations(),
    registered,
    kept: tracker.kept(now),
    graceUntil: tracker.graceUntil(now),
    failing: sources.certificates.renewals.failing(),
    clock: sources.certificates.clocks(),
  };
};

const sidecarFacts = (
  { sidecar, record }: ReturnType<Fleet['members']>[number],
  { reconciler, certificates }: Pick<Sources, 'reconciler' | 'certificates'>,
): SidecarFacts => ({
  node: sidecar.node,
  token: sidecar.token,
  peer: sidecar.peer,
  progress: record.progress,
  progressSince: record.progressSince,
  open: waitingFor([record]).flatMap(({ types }) => types),
  refused: [...record.types].flatMap(([url, { nacked }]) => {
    if (nacked === undefined) return [];
    const words = explainNack(nacked.error, nacked.resources, reconciler.emittedFor(sidecar.stream));
    return [{ type: typeNameOf(url) ?? url, words }];
  }),
  trouble: reconciler.troubleOf(sidecar.stream),
  certificate: certificates.of(sidecar.stream)?.svid ?? reconciler.svidOf(sidecar.stream),
  identity: reconciler.svidOf(sidecar.stream)?.id,
  // A gRPC client takes it from files.
  holding: sidecar.client === 'grpc' ? undefined : certificates.of(sidecar.stream),
});

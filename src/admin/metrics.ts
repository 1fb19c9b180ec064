import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ControlPlane } from '../control/controlPlane.ts';
import type { AuthorityFacts } from '../control/health/facts.ts';
import type { Observer } from '../control/log.ts';
import { TYPE } from '../xds/resource.ts';
import { renewalCounters, watchCertificates } from './certificateMetrics.ts';

export type Metrics = {
  readonly registry: Registry;
  /** For control: what it counts. */
  readonly observer: Observer;
  /** One certificate left the authority. */
  readonly issued: () => void;
  /** A connection to the xDS server was cut. */
  readonly dropped: (reason: string) => void;
  /** Reads from the xDS server how many of its connections are unproven. */
  readonly watchDoor: (unproven: () => number) => void;
  /** Reads the rest from these whenever somebody asks. */
  readonly watch: (control: ControlPlane, authorities: () => readonly AuthorityFacts[]) => void;
};

/** Everything that `/metrics` shows. Names are a public contract. */
export const createMetrics = (): Metrics => {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const pushed = countPushes(registers);
  const refusals = new Counter({
    name: 'signet_xds_refused_total',
    help: 'Streams that were turned away or ended by Signet, by status code.',
    labelNames: ['code'] as const,
    registers,
  });
  const dropped = new Counter({
    name: 'signet_xds_connections_dropped_total',
    help: 'Connections to the xDS server that Signet cut: handshake, no_stream, crowded, noisy, unread.',
    labelNames: ['reason'] as const,
    registers,
  });
  const convergence = new Histogram({
    name: 'signet_convergence_seconds',
    help: 'From a save of mesh.yaml to the ACK of the last sidecar.',
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers,
  });
  const issued = new Counter({
    name: 'signet_certificates_issued_total',
    help: 'Workload certificates that were issued.',
    registers,
  });
  return {
    registry,
    observer: {
      pushed,
      refused: (code) => refusals.inc({ code }),
      converged: (span) => convergence.observe(span / 1000),
      ...renewalCounters(registry),
    },
    issued: () => issued.inc(),
    dropped: (reason) => dropped.inc({ reason }),
    watchDoor: (unproven) => watchDoor(registry, unproven),
    watch: (control, authorities) => {
      watch(registry, control);
      watchCertificates(registry, control, authorities);
    },
  };
};

/** Counted by hand until somebody asks: to hash the labels would be most of it, five times for each sidecar of a storm. */
const countPushes = (registers: Registry[]): Observer['pushed'] => {
  const since = { acked: new Map<string, number>(), nacked: new Map<string, number>() };
  new Counter({
    name: 'signet_xds_pushes_total',
    help: 'Responses that sidecars took (acked) or refused (nacked), by resource type (`other`: none that Signet serves).',
    labelNames: ['type', 'outcome'] as const,
    registers,
    collect() {
      for (const outcome of ['acked', 'nacked'] as const) {
        for (const [type, times] of since[outcome]) this.inc({ type, outcome }, times);
        since[outcome].clear();
      }
    },
  });
  return (type, outcome) => {
    since[outcome].set(type, (since[outcome].get(type) ?? 0) + 1);
  };
};

const watchDoor = (registry: Registry, unproven: () => number): void => {
  new Gauge({
    name: 'signet_xds_unproven_connections',
    help: 'Connections to the xDS server without a proven stream.',
    registers: [registry],
    collect() {
      this.set(unproven());
    },
  });
};

const watch = (registry: Registry, control: ControlPlane): void => {
  const registers = [registry];
  new Gauge({
    name: 'signet_xds_streams',
    help: 'Live streams of sidecars.',
    registers,
    collect() {
      this.set(control.streams());
    },
  });
  new Gauge({
    name: 'signet_xds_quarantined_resources',
    help: 'Resources that sidecars are kept from because some refused them, by resource type.',
    labelNames: ['type'] as const,
    registers,
    collect() {
      this.reset();
      for (const type of Object.keys(TYPE)) this.set({ type }, 0);
      for (const { type } of control.quarantined()) this.inc({ type });
    },
  });
  new Gauge({
    name: 'signet_revocations',
    help: 'Revoked certificates that servers still refuse by their digest.',
    registers,
    collect() {
      this.set(control.revocation.facts().reduce((sum, { act }) => sum + act.certificates.length, 0));
    },
  });
  new Gauge({
    name: 'signet_revocations_waiting_sidecars',
    help: 'Connected sidecars that have not yet acknowledged that they refuse some revoked certificate.',
    registers,
    collect() {
      const waiting = control.revocation.facts().flatMap(({ refusing }) => refusing.waiting.map(({ node }) => node));
      this.set(new Set(waiting).size);
    },
  });
  new Gauge({
    name: 'signet_mesh_file_in_force',
    help: '1 if the file on disk is what is served, 0 if it was refused.',
    registers,
    collect() {
      this.set(control.meshState().problem === undefined ? 1 : 0);
    },
  });
  new Gauge({
    name: 'signet_trusted_root_expiry_timestamp_seconds',
    help: 'When the last root of a trusted trust domain ends.',
    labelNames: ['trust_domain'] as const,
    registers,
    collect() {
      this.reset();
      for (const { trustDomain, ends } of control.meshState().mesh.trust)
        this.set({ trust_domain: trustDomain }, Math.max(...ends) / 1000);
    },
  });
};

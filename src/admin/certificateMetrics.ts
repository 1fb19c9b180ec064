import { Counter, Gauge, type Registry } from 'prom-client';
import type { ControlPlane } from '../control/controlPlane.ts';
import type { AuthorityFacts } from '../control/health/facts.ts';
import type { Observer } from '../control/log.ts';
import type { Instant } from '../lib/time.ts';

/** What control counts of renewals and of the clock. */
export const renewalCounters = (registry: Registry): Pick<Observer, 'renewalFailed' | 'clockJumped'> => {
  const registers = [registry];
  const failures = new Counter({
    name: 'signet_certificate_renewal_failures_total',
    help: 'Tries to renew a workload certificate that failed: no new one could be had (issue), or its sidecar refused it (refused).',
    labelNames: ['reason'] as const,
    registers,
  });
  const jumps = new Counter({
    name: 'signet_clock_jumps_total',
    help: 'Times that the wall clock of this host was seen to jump by a second or more; forward also when it slept.',
    labelNames: ['direction'] as const,
    registers,
  });
  for (const reason of ['issue', 'refused']) failures.inc({ reason }, 0);
  for (const direction of ['forward', 'back']) jumps.inc({ direction }, 0);
  return {
    renewalFailed: (reason) => failures.inc({ reason }),
    clockJumped: (direction) => jumps.inc({ direction }),
  };
};

/** Reads certificates, authorities and clocks whenever somebody asks. */
export const watchCertificates = (
  registry: Registry,
  control: ControlPlane,
  authorities: () => readonly AuthorityFacts[],
): void => {
  const registers = [registry];
  new Gauge({
    name: 'signet_certificate_expiry_timestamp_seconds',
    help: 'When the soonest certificate that connected sidecars of an identity use ends.',
    labelNames: ['identity'] as const,
    registers,
    // The registry asks in the order in which they were made, so that the others are told by then: one look at every sidecar.
    collect() {
      this.reset();
      const soonest = new Map<string, Instant>();
      const windows = { good: 0, overdue: 0, ending: 0, expired: 0, early: 0 };
      const answers = { held: 0, sent: 0, refused: 0 };
      for (const { id, notAfter, window, state } of control.certificates.inUse()) {
        soonest.set(id, Math.min(soonest.get(id) ?? notAfter, notAfter));
        windows[window] += 1;
        answers[state] += 1;
      }
      const { good: _, ...late } = windows;
      for (const [window, count] of Object.entries(late)) overdue.set({ window }, count);
      for (const [state, count] of Object.entries(answers)) states.set({ state }, count);
      for (const [identity, notAfter] of soonest) this.set({ identity }, notAfter / 1000);
    },
  });
  const overdue = new Gauge({
    name: 'signet_certificate_renewal_overdue',
    help: 'Connected sidecars whose certificate should have been renewed: overdue (past 62 % of its life), ending (less than a fifth left), expired, early (not valid yet).',
    labelNames: ['window'] as const,
    registers,
  });
  const states = new Gauge({
    name: 'signet_certificates',
    help: 'Connected sidecars by what they say of the newest certificate that they were sent: held, sent (no answer yet), refused.',
    labelNames: ['state'] as const,
    registers,
  });
  watchAuthorities(registry, authorities);
  watchClocks(registry, control);
};

const watchAuthorities = (registry: Registry, authorities: () => readonly AuthorityFacts[]): void => {
  const roles = [
    ['root', 'signet_root_expiry_timestamp_seconds', 'the root of the mesh'],
    ['intermediate', 'signet_intermediate_expiry_timestamp_seconds', 'the issuing intermediate'],
    ['channel', 'signet_channel_ca_expiry_timestamp_seconds', 'the channel CA'],
  ] as const;
  for (const [role, name, what] of roles) {
    new Gauge({
      name,
      help: `When ${what} ends.`,
      registers: [registry],
      collect() {
        for (const authority of authorities()) if (authority.role === role) this.set(authority.notAfter / 1000);
      },
    });
  }
};

const watchClocks = (registry: Registry, control: ControlPlane): void => {
  new Gauge({
    name: 'signet_clock_behind_seconds',
    help: 'By how much the wall clock of this host was set back since the start, or since what the data directory has seen.',
    registers: [registry],
    collect() {
      this.set(control.certificates.clocks().behind / 1000);
    },
  });
  new Gauge({
    name: 'signet_clock_drift_seconds',
    help: 'Sidecars whose clock is known to be off: ahead of this host, or negative for behind.',
    labelNames: ['node'] as const,
    registers: [registry],
    collect() {
      this.reset();
      for (const { node, ahead } of control.certificates.clocks().drifting) this.set({ node }, ahead / 1000);
    },
  });
};

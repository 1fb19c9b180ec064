import { Gauge, type Registry } from 'prom-client';
import { ROTATION_STEPS } from '../ca/rotation.ts';
import type { RotationReport } from '../control/rotation/loop.ts';

/** Metrics of rotations, read whenever somebody asks. */
export const watchRotation = (registry: Registry, report: () => RotationReport): void => {
  const registers = [registry];
  new Gauge({
    name: 'signet_ca_rotation_step',
    help: '1 for the step at which a rotation of the CAs is, by its kind; no line while none is running.',
    labelNames: ['kind', 'step'] as const,
    registers,
    collect() {
      this.reset();
      const { plan } = report();
      if (plan !== undefined)
        for (const step of ROTATION_STEPS) this.set({ kind: plan.kind, step }, step === plan.step ? 1 : 0);
    },
  });
  new Gauge({
    name: 'signet_ca_rotation_step_since_timestamp_seconds',
    help: 'Since when the rotation is at its step; 0 while none is running.',
    registers,
    collect() {
      this.set((report().plan?.stepSince ?? 0) / 1000);
    },
  });
  new Gauge({
    name: 'signet_ca_rotation_paused',
    help: '1 while a rotation is paused.',
    registers,
    collect() {
      this.set(report().plan?.paused === true ? 1 : 0);
    },
  });
  new Gauge({
    name: 'signet_ca_rotation_waiting_sidecars',
    help: 'For how many sidecars the rotation waits.',
    registers,
    collect() {
      this.set(report().gate?.waitingFor.length ?? 0);
    },
  });
  new Gauge({
    name: 'signet_root_rotation_due_timestamp_seconds',
    help: 'When a new root begins to be led in by itself.',
    registers,
    collect() {
      this.set(report().due / 1000);
    },
  });
};

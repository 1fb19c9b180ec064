import { Gauge, type Registry } from 'prom-client';
import { ROTATION_STEPS } from '../ca/rotation.ts';
import type { RotationLoop } from '../control/rotation/loop.ts';

/** Metrics of rotations, read whenever somebody asks: once for all of them, for while one is running that looks at every sidecar. */
export const watchRotation = (registry: Registry, progress: RotationLoop['progress']): void => {
  const registers = [registry];
  const gauge = (name: string, help: string): Gauge => new Gauge({ name, help, registers });
  new Gauge({
    name: 'signet_ca_rotation_step',
    help: '1 for the step at which a rotation of the CAs is, by its kind; no line while none is running.',
    labelNames: ['kind', 'step'] as const,
    registers,
    // The registry asks in the order in which they were made, so that the others are told by then.
    collect() {
      const { plan, gate, due } = progress();
      this.reset();
      if (plan !== undefined)
        for (const step of ROTATION_STEPS) this.set({ kind: plan.kind, step }, step === plan.step ? 1 : 0);
      since.set((plan?.stepSince ?? 0) / 1000);
      paused.set(plan?.paused === true ? 1 : 0);
      waiting.set(gate?.waitingFor.length ?? 0);
      begins.set((due ?? 0) / 1000);
    },
  });
  const since = gauge(
    'signet_ca_rotation_step_since_timestamp_seconds',
    'Since when the rotation is at its step; 0 while none is running.',
  );
  const paused = gauge('signet_ca_rotation_paused', '1 while a rotation is paused.');
  const waiting = gauge('signet_ca_rotation_waiting_sidecars', 'For how many sidecars the rotation waits.');
  const begins = gauge(
    'signet_root_rotation_due_timestamp_seconds',
    'When a new root begins to be led in by itself; 0 where the key of the root is elsewhere, so that none does.',
  );
};

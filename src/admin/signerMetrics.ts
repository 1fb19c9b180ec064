import { Counter, Gauge, type Registry } from 'prom-client';
import type { AuthorityStatus } from '../ca/authority.ts';

/** What `/metrics` shows of the signer of mesh.yaml, where it names one. */
export const signerMetrics = (registry: Registry, status: () => AuthorityStatus['signer']): void => {
  const registers = [registry];
  new Gauge({
    name: 'signet_signer_up',
    help: '0 if the signer of mesh.yaml did not answer as it should when it was last asked, else 1 (also if it was not asked yet).',
    registers,
    collect() {
      this.reset();
      const signer = status();
      if (signer !== undefined) this.set(signer.away === undefined ? 1 : 0);
    },
  });
  new Counter({
    name: 'signet_signer_requests_total',
    help: 'What the signer of mesh.yaml was asked to sign, by outcome.',
    labelNames: ['outcome'] as const,
    registers,
    collect() {
      this.reset();
      const { asked = 0, failed = 0 } = status() ?? {};
      this.inc({ outcome: 'signed' }, asked - failed);
      this.inc({ outcome: 'failed' }, failed);
    },
  });
};

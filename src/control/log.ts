import type { RefusalCode } from '../xds/events.ts';

/** Where control says what happened. Fields never hold a secret. */
export type Log = {
  readonly info: (fields: Readonly<Record<string, unknown>>, sentence: string) => void;
  readonly warn: (fields: Readonly<Record<string, unknown>>, sentence: string) => void;
  readonly error: (fields: Readonly<Record<string, unknown>>, sentence: string) => void;
};

/** What is counted. */
export type Observer = {
  readonly pushed: (type: string, outcome: 'acked' | 'nacked') => void;
  /** A stream or a fetch that was turned away or ended, by its status. */
  readonly refused: (code: RefusalCode) => void;
  /** From a save of mesh.yaml to the last sidecar's ACK, in milliseconds. */
  readonly converged: (span: number) => void;
  /** A certificate that was due could not be had, or was refused by its sidecar. */
  readonly renewalFailed: (kind: 'issue' | 'refused') => void;
  /** The wall clock was set, or the machine slept. */
  readonly clockJumped: (direction: 'forward' | 'back') => void;
};

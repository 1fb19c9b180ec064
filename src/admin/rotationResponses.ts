import type { Prepared } from '../ca/authority.ts';
import type { RotationKind, RotationStep } from '../ca/rotation.ts';
import type { SlotAnswer } from './responses.ts';

/** What `signet ca rotate -o json` prints. Moments are ISO 8601 in UTC. */
export type RotationAnswer = {
  /** The plan that is running. */
  readonly rotation: {
    readonly id: string;
    readonly kind: RotationKind;
    readonly step: RotationStep;
    readonly startedAt: string;
    readonly stepSince: string;
    readonly paused: boolean;
    readonly reason: string;
    readonly from: string;
    readonly to: string;
    readonly waitingFor: readonly { readonly node: string; readonly why: string; readonly until: string | null }[];
    readonly trouble: string | null;
  } | null;
  /** Serials of the active CAs. */
  readonly active: { readonly root: string; readonly intermediate: string };
  /** When a new root begins to be led in by itself; where Signet has not the key of the root: when its owner should bring one. */
  readonly scheduled: string;
  readonly ownRoot: boolean;
  /** What was imported and waits for its rotation. */
  readonly prepared: Prepared | null;
  readonly sidecars: {
    readonly connected: number;
    /** Those of them whose Envoy itself showed, in `/certs`, the certificate that they ACKed last. */
    readonly shown: number;
    readonly away: readonly { readonly node: string; readonly until: string }[];
  };
  readonly channel: {
    readonly anchors: readonly SlotAnswer[];
    readonly onlyOld: readonly string[];
    readonly away: readonly { readonly node: string; readonly lastSeen: string }[];
  };
};

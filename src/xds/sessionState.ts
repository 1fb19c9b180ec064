import type { Resource, Snapshot, TypeUrl } from './resource.ts';
import type { Subscribing, TypeState } from './typeState.ts';

/**
 * One xDS stream as a value: what the client subscribed to, what it holds and what is under way. Pure; `server.ts` feeds it.
 * The variant is a field of every message: state of the world shares the types, the differences and their order.
 */
export type SessionState = {
  readonly variant: 'delta';
  readonly snapshot: Snapshot | undefined;
  readonly types: ReadonlyMap<TypeUrl, TypeState>;
  readonly noncePrefix: string;
  /** Nonces given out; one is valid on its own stream only. */
  readonly nonces: number;
  /** A response was handed out and its bytes are not written yet. */
  readonly writing: boolean;
  /** Clusters that were sent, and their endpoints not since. */
  readonly refresh: ReadonlySet<string>;
  /** Endpoints that the snapshot dropped together with a cluster that the client still has: they go after it. */
  readonly leaving: ReadonlyMap<string, Resource>;
  /** Listeners or routes wait for the client; the caller sends `waited` if that lasts too long. */
  readonly holding: boolean;
  readonly impatient: boolean;
  readonly progress: Progress;
};

/** `settled`: the client ACKed all that the newest snapshot has for it. `refused`: all but what it NACKed. */
export type Progress = 'pending' | 'settled' | 'refused';

export type DeltaRequest = Subscribing & {
  readonly kind: 'request';
  readonly variant: 'delta';
  readonly type: TypeUrl;
  /** Empty on a spontaneous request. */
  readonly nonce: string;
  /** The client's words, on a NACK. */
  readonly error: string | undefined;
};

export type SessionEvent =
  | DeltaRequest
  | { readonly kind: 'published'; readonly snapshot: Snapshot }
  | { readonly kind: 'written' }
  | { readonly kind: 'waited' };

export type DeltaResponse = {
  readonly variant: 'delta';
  readonly type: TypeUrl;
  readonly nonce: string;
  /** The type's version once this is applied: one hash over all that the client then holds. */
  readonly version: string;
  readonly resources: readonly Resource[];
  readonly removed: readonly string[];
};

export type NamedVersion = { readonly name: string; readonly version: string };

export type Notice =
  | { readonly kind: 'acked'; readonly type: TypeUrl; readonly version: string; readonly stillRefused: boolean }
  | {
      readonly kind: 'nacked';
      readonly type: TypeUrl;
      readonly version: string;
      readonly error: string;
      readonly resources: readonly NamedVersion[];
      readonly removed: readonly string[];
    }
  | { readonly kind: 'progress'; readonly progress: Progress }
  /** The client asked for more than a sidecar ever needs; its stream must end. */
  | { readonly kind: 'overrun'; readonly message: string };

export type Turn = {
  readonly state: SessionState;
  /** None or one: the next is chosen from what is newest when this one is written. */
  readonly responses: readonly DeltaResponse[];
  readonly notices: readonly Notice[];
};

import type { Standings } from './order.ts';
import type { Resource, Snapshot, TypeUrl } from './resource.ts';
import type { SmallMap } from './smallMap.ts';
import type { Naming, Subscribing, TypeState } from './typeState.ts';

/** The two forms of the protocol; `sotw` is state of the world. They share the types, the differences and their order. */
export type Variant = 'delta' | 'sotw';

/** One xDS stream as a value: what the client subscribed to, what it holds and what is under way. Pure; `server.ts` feeds it. */
export type SessionState = {
  readonly variant: Variant;
  readonly snapshot: Snapshot | undefined;
  readonly types: SmallMap<TypeUrl, TypeState>;
  /** What the last turn found out about each type. */
  readonly standings: Standings;
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
  /** The client came back a moment ago, and goes on saying what it holds type by type: not all that refers to things is known. */
  readonly returning: boolean;
  readonly progress: Progress;
  /** Nothing but what is being written was lacking: when it is written there is nothing to choose. */
  readonly calm: boolean;
};

/** `settled`: the client ACKed all that the newest snapshot has for it. `refused`: all but what it NACKed. */
export type Progress = 'pending' | 'settled' | 'refused';

type Request = {
  readonly kind: 'request';
  readonly type: TypeUrl;
  /** Delta: empty on a spontaneous request. State of the world: that of the last response of this type. */
  readonly nonce: string;
  /** The client's words, on a NACK. */
  readonly error: string | undefined;
};

export type DeltaRequest = Request & Subscribing & { readonly variant: 'delta' };

export type SotwRequest = Request & Naming & { readonly variant: 'sotw' };

export type SessionRequest = DeltaRequest | SotwRequest;

export type SessionEvent =
  | SessionRequest
  | { readonly kind: 'published'; readonly snapshot: Snapshot }
  | { readonly kind: 'written' }
  | { readonly kind: 'waited' };

export type SessionResponse = {
  readonly variant: Variant;
  readonly type: TypeUrl;
  readonly nonce: string;
  /** The type's version once this is applied: one hash over all that the client then holds. */
  readonly version: string;
  /** In state of the world, for clusters and listeners: all that there are. */
  readonly resources: readonly Resource[];
  /** What was held or asked for and is not there. State of the world has no words for it: it is told by absence. */
  readonly removed: readonly string[];
};

/** Versions by type and name that a client ACKed or said it holds; without the types that it did not speak of. */
export type Held = ReadonlyMap<TypeUrl, ReadonlyMap<string, string>>;

export type NamedVersion = { readonly name: string; readonly version: string };

export type Notice =
  /** The client speaks of this type for the first time. */
  | { readonly kind: 'asked'; readonly type: TypeUrl }
  | {
      readonly kind: 'acked';
      readonly type: TypeUrl;
      readonly version: string;
      /** Versions by name: what the response held. */
      readonly taken: ReadonlyMap<string, string>;
      readonly stillRefused: boolean;
    }
  | {
      readonly kind: 'nacked';
      readonly type: TypeUrl;
      readonly version: string;
      /** What was refused: those of the response that the client names, or all of it where it names none. */
      readonly resources: readonly NamedVersion[];
      readonly removed: readonly string[];
      /** The client's words, without key material. */
      readonly error: string;
    }
  /** It changed, or stayed and the client came back with more than was known. */
  | { readonly kind: 'progress'; readonly progress: Progress; readonly held: Held }
  /** The client asked for more than a sidecar ever needs; its stream must end. */
  | { readonly kind: 'overrun'; readonly message: string };

export type Turn = {
  readonly state: SessionState;
  /** None or one: the next is chosen from what is newest when this one is written. */
  readonly responses: readonly SessionResponse[];
  readonly notices: readonly Notice[];
};

import type { Instant } from '../lib/time.ts';
import type { NodeIdentity } from './request.ts';
import type { TypeUrl } from './resource.ts';
import type { NamedVersion, Notice } from './sessionState.ts';

/** Names one stream for as long as the process lives. */
export type StreamId = string & { readonly __streamId: true };

export type Peer = { readonly address: string; readonly port: number };

/** Why a stream is not served, or no longer. The message is sent to the client. */
export type Refusal = { readonly code: RefusalCode; readonly message: string };

export type RefusalCode =
  | 'unauthenticated'
  | 'permission_denied'
  | 'unavailable'
  | 'resource_exhausted'
  | 'invalid_argument'
  | 'unimplemented'
  | 'internal';

/** What happens on a stream, in order. A stream that was `opened` is `closed` exactly once. */
export type StreamEvent = {
  readonly stream: StreamId;
  readonly at: Instant;
} /** `only`: it is a stream of the service of one type. */ & (
  | { readonly kind: 'opened'; readonly node: NodeIdentity; readonly peer: Peer; readonly only: TypeUrl | undefined }
  | {
      readonly kind: 'sent';
      readonly type: TypeUrl;
      readonly version: string;
      readonly resources: readonly NamedVersion[];
      readonly removed: readonly string[];
      readonly bytes: number;
    }
  /** What the session noticed. One that overran is refused. */
  | Exclude<Notice, { readonly kind: 'overrun' }>
  /** Turned away before it was opened, or ended by us. */
  | { readonly kind: 'refused'; readonly peer: Peer; readonly refusal: Refusal }
  | { readonly kind: 'closed' }
);

type Untimed<E> = E extends unknown ? Omit<E, 'stream' | 'at'> : never;

/** An event before it is known on which stream and when. */
export type Happening = Untimed<StreamEvent>;

/** Says on which stream and when. Written out for what comes with every push: copying an object of many possible shapes is slow. */
export const onStream = (what: Happening, stream: StreamId, at: Instant): StreamEvent => {
  switch (what.kind) {
    case 'sent': {
      const { kind, type, version, resources, removed, bytes } = what;
      return { kind, type, version, resources, removed, bytes, stream, at };
    }
    case 'acked': {
      const { kind, type, version, stillRefused, taken } = what;
      return { kind, type, version, stillRefused, taken, stream, at };
    }
    case 'progress': {
      const { kind, progress, held } = what;
      return { kind, progress, held, stream, at };
    }
    default:
      return { ...what, stream, at };
  }
};

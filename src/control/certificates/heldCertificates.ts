import type { X509Svid } from '../../spiffe/svid.ts';
import type { StreamEvent, StreamId } from '../../xds/events.ts';
import { type Snapshot, TYPE } from '../../xds/resource.ts';

/** What a sidecar has of the certificate that it was given: it took it (ACK), did not answer yet, or said no (NACK). */
export type HeldState = 'held' | 'sent' | 'refused';

/** What a sidecar holds, by its own word. */
export type HeldCertificate = {
  /** Of the newest one that was published to it. */
  readonly state: HeldState;
  /** The certificate that it took last; `undefined` if it took none on this stream and brought none along. */
  readonly svid: X509Svid | undefined;
  /** Its words, on a NACK of the newest. */
  readonly error: string | undefined;
};

/** A sidecar took its newest certificate, or said no to it. */
export type Answer = { readonly svid: X509Svid; readonly error: string | undefined };

/** Versions are hashes of content and say nothing of certificates: which one was in which is kept, newest last. */
type Published = { readonly version: string; readonly svid: X509Svid };
type OfStream = {
  readonly published: readonly Published[];
  readonly held: X509Svid | undefined;
  readonly error: string | undefined;
};

/** A sidecar that does not answer has one version under way; the others are what it may still hold, and what came since. */
const MOST = 4;

/** What the ACKs of the sidecars say of their certificates: the serial that each holds against the one that it was sent. */
export class HeldCertificates {
  readonly #streams = new Map<StreamId, OfStream>();

  /** The stream is published this snapshot, with this certificate in it. */
  published(stream: StreamId, svid: X509Svid | undefined, snapshot: Snapshot): void {
    const version = svid && snapshot.get(TYPE.sds)?.get(svid.id)?.version;
    if (svid === undefined || version === undefined) return;
    const before = this.#streams.get(stream);
    if (before?.published.at(-1)?.version === version) return;
    const published = [...(before?.published ?? []), { version, svid }].slice(-MOST);
    this.#streams.set(stream, { published, held: before?.held, error: undefined });
  }

  /** The answer, if the event is one to the newest certificate. */
  follow(event: StreamEvent): Answer | undefined {
    if (!concernsSecrets(event)) return undefined;
    const { stream } = event;
    const known = this.#streams.get(stream);
    if (known === undefined) return undefined;
    switch (event.kind) {
      case 'acked':
        return this.#took(stream, known, event.taken);
      // What it brought along from an earlier stream is sent to nobody.
      case 'progress':
        return this.#took(stream, known, event.held.get(TYPE.sds));
      case 'nacked':
        return this.#refused(stream, known, event);
      case 'closed':
        this.#streams.delete(stream);
        return undefined;
      default:
        return undefined;
    }
  }

  /** `undefined` for a stream that was published no certificate. */
  of(stream: StreamId): HeldCertificate | undefined {
    const known = this.#streams.get(stream);
    const newest = known?.published.at(-1)?.svid;
    if (known === undefined || newest === undefined) return undefined;
    const { held, error } = known;
    if (held?.serial === newest.serial) return { state: 'held', svid: held, error: undefined };
    return { state: error === undefined ? 'sent' : 'refused', svid: held, error };
  }

  #took(stream: StreamId, known: OfStream, versions: ReadonlyMap<string, string> | undefined): Answer | undefined {
    if (versions === undefined) return undefined;
    const taken = known.published.find(({ svid, version }) => versions.get(svid.id) === version);
    if (taken === undefined || taken.svid === known.held) return undefined;
    const isNewest = taken === known.published.at(-1);
    this.#streams.set(stream, { ...known, held: taken.svid, error: isNewest ? undefined : known.error });
    return isNewest ? { svid: taken.svid, error: undefined } : undefined;
  }

  #refused(stream: StreamId, known: OfStream, { resources, error }: Nack): Answer | undefined {
    const newest = known.published.at(-1);
    const blames = resources.some(({ name, version }) => name === newest?.svid.id && version === newest.version);
    if (newest === undefined || !blames) return undefined;
    this.#streams.set(stream, { ...known, error });
    return { svid: newest.svid, error };
  }
}

/** Most events of a stream do not, and no other has its stream looked up for it. */
const concernsSecrets = (event: StreamEvent): boolean => {
  if (event.kind === 'acked' || event.kind === 'nacked') return event.type === TYPE.sds;
  return event.kind === 'progress' || event.kind === 'closed';
};

type Nack = StreamEvent & { readonly kind: 'nacked' };

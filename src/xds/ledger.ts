import type { Instant } from '../lib/time.ts';
import type { Peer, StreamEvent, StreamId } from './events.ts';
import type { NodeIdentity } from './request.ts';
import { TYPE, type TypeUrl, typeNameOf } from './resource.ts';
import type { NamedVersion, Progress } from './sessionState.ts';
import { SmallMap } from './smallMap.ts';

/** A version of a whole type at a moment. */
export type Mark = { readonly version: string; readonly at: Instant };

export type TypeRecord = {
  readonly sent: Mark | undefined;
  readonly acked: Mark | undefined;
  /** The refusal that still stands: gone once the client took other content instead. */
  readonly nacked: (Mark & { readonly error: string; readonly resources: readonly NamedVersion[] }) | undefined;
};

/** One connected sidecar in the ACK ledger. */
export type SidecarRecord = {
  readonly stream: StreamId;
  readonly node: NodeIdentity;
  readonly peer: Peer;
  readonly connectedSince: Instant;
  /** The one type of its service; `undefined` on ADS. */
  readonly only: TypeUrl | undefined;
  /** Of what it asked for so far. */
  readonly said: Progress;
  /** The same, but never `settled` before it asked for all that it will ask for. */
  readonly progress: Progress;
  /** Since when it is in that progress. */
  readonly progressSince: Instant;
  /** What it spoke of. */
  readonly asked: ReadonlySet<TypeUrl>;
  /** Of these, what it was sent something of. */
  readonly types: SmallMap<TypeUrl, TypeRecord>;
};

const UNTOUCHED: TypeRecord = Object.freeze({ sent: undefined, acked: undefined, nacked: undefined });

/**
 * The ledger's reducer for one stream: what is known of it after an event; `undefined` when it is not connected. Whoever keeps
 * many keeps them by `event.stream`.
 */
export const afterEvent = (before: SidecarRecord | undefined, event: StreamEvent): SidecarRecord | undefined => {
  const { at } = event;
  if (event.kind === 'opened') {
    const { stream, node, peer, only } = event;
    const pending = { said: 'pending', progress: 'pending', progressSince: at } as const;
    return { stream, node, peer, connectedSince: at, only, ...pending, asked: new Set(), types: new SmallMap() };
  }
  if (before === undefined) return undefined;
  switch (event.kind) {
    case 'asked':
      return after(before, before.said, new Set(before.asked).add(event.type), before.types, at);
    case 'sent': {
      const { acked, nacked } = before.types.get(event.type) ?? UNTOUCHED;
      return withType(before, event.type, { sent: { version: event.version, at }, acked, nacked }, at);
    }
    case 'acked': {
      const { sent, nacked } = before.types.get(event.type) ?? UNTOUCHED;
      const acked = { version: event.version, at };
      return withType(before, event.type, { sent, acked, nacked: event.stillRefused ? nacked : undefined }, at);
    }
    case 'nacked': {
      const { version, error, resources } = event;
      const { sent, acked } = before.types.get(event.type) ?? UNTOUCHED;
      return withType(before, event.type, { sent, acked, nacked: { version, at, error, resources } }, at);
    }
    case 'progress':
      return after(before, event.progress, before.asked, before.types, at);
    case 'refused':
      return before;
    case 'closed':
      return undefined;
  }
};

const withType = (s: SidecarRecord, url: TypeUrl, type: TypeRecord, at: Instant): SidecarRecord =>
  after(s, s.said, s.asked, s.types.with(url, type), at);

/** Written out: copying a record is slow where the code is not optimized yet, and each stream begins with some twenty events. */
const after = (
  { stream, node, peer, connectedSince, only, progress: before, progressSince: since }: SidecarRecord,
  said: Progress,
  asked: SidecarRecord['asked'],
  types: SidecarRecord['types'],
  at: Instant,
): SidecarRecord => {
  const progress = said === 'settled' && willAskMore(only, asked) ? 'pending' : said;
  const progressSince = progress === before ? since : at;
  return { stream, node, peer, connectedSince, only, said, progress, progressSince, asked, types };
};

/** An Envoy that starts asks for listeners when its clusters are warm, which may be long after it took them. */
const willAskMore = (only: TypeUrl | undefined, asked: SidecarRecord['asked']): boolean =>
  only === undefined && asked.has(TYPE.cds) && !asked.has(TYPE.lds);

/** Who has not taken all of the newest state, and why. */
export type Waiting = {
  readonly stream: StreamId;
  readonly node: string;
  readonly since: Instant;
  /** `refused`: the client said no, and waiting will not help until the content changes. */
  readonly why: 'pending' | 'refused';
  /** Short names of the types that were sent and not ACKed, or are still to be asked for. */
  readonly types: readonly string[];
};

/** Every sidecar that something is still waited for, longest first. */
export const waitingFor = (records: Iterable<SidecarRecord>): readonly Waiting[] => {
  const waiting: Waiting[] = [];
  for (const record of records) {
    const { progress: why, progressSince: since, stream, node } = record;
    if (why !== 'settled') waiting.push({ stream, node: node.id, since, why, types: openTypes(record) });
  }
  return waiting.sort((a, b) => a.since - b.since);
};

const openTypes = (record: SidecarRecord): readonly string[] => [
  ...[...record.types]
    .filter(([, t]) => t.nacked !== undefined || t.sent?.version !== t.acked?.version)
    .map(([url]) => typeNameOf(url) ?? url),
  ...(willAskMore(record.only, record.asked) ? ['lds'] : []),
];

/** Every connected sidecar ACKed everything that the newest snapshot has for it. True of an empty mesh. */
export const allAcked = (records: Iterable<SidecarRecord>): boolean => waitingFor(records).length === 0;

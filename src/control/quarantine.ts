import type { Emitted } from '../emit/emitted.ts';
import type { ServiceKey } from '../model/mesh.ts';
import { namedIn } from '../xds/blame.ts';
import type { StreamEvent, StreamId } from '../xds/events.ts';
import { type Resource, type Snapshot, TYPE, type TypeUrl } from '../xds/resource.ts';
import type { Held } from '../xds/sessionState.ts';
import {
  forgetOtherContent,
  isProven,
  isWithheld,
  keepGood,
  lastGood,
  newShelf,
  prove,
  putGood,
  putRefusal,
  type Refusal,
  type Shelf,
} from './shelf.ts';
import { planKey, type Sidecar } from './sidecar.ts';

/** One resource of the newest mesh that a sidecar is kept from. */
export type Withheld = {
  readonly refusal: Refusal;
  /** The version that it is sent instead; `undefined` where none is known to be good: then it must say no by itself. */
  readonly instead: string | undefined;
};

/** What a snapshot is made of. */
export type Content = Pick<Emitted, 'type' | 'name' | 'version' | 'any'>;

/** Whose snapshots an event changes, and what was refused in it. */
export type Outcome = { readonly concerns: 'nobody' | 'sidecar' | 'service'; readonly refusals: readonly Refusal[] };

/** What a sidecar was last published, and what its plan said. */
export type Seen = { readonly snapshot: Snapshot | undefined; readonly emitted: readonly Emitted[] };

const NOTHING: readonly Withheld[] = [];
const NO_RESOURCES: ReadonlyMap<string, Resource> = new Map();
const NO_OUTCOME: Outcome = { concerns: 'nobody', refusals: [] };

/** Secrets belong to one instance each and say nothing about others. */
const SHARED: readonly TypeUrl[] = [TYPE.cds, TYPE.eds, TYPE.lds, TYPE.rds];

/** What refused listeners, routes and clusters may refer to in their old form. Listeners go: nothing refers to one, and it opens a port. */
const REFERRED: readonly TypeUrl[] = [TYPE.cds, TYPE.eds, TYPE.rds];

/** Words for what is the matter with one host and not with the resource. */
const LOCAL = /cannot bind|already in use|permission denied|cannot assign requested address/i;

/**
 * Kinds of listening of one service that are remembered without a live sidecar: sidecars choose their addresses themselves. Those with one are
 * as many as there are streams, and nothing pushes them out.
 */
const MOST_LISTENINGS = 256;

/** What is known of listeners of one kind, and the live streams whose sidecars listen so. */
type Listening = { readonly shelf: Shelf; readonly streams: Set<StreamId> };

/** What is known of the resources of one sidecar: of its listeners, and of all others. */
type Shelves = { readonly shared: Shelf; readonly listening: Shelf };

const isClean = ({ shared, listening }: Shelves): boolean =>
  shared.refusals.size === 0 && listening.refusals.size === 0;

/** A gRPC client and an Envoy are sent other resources under the same names. */
type OfService = {
  readonly shared: Readonly<Record<Sidecar['client'], Shelf>>;
  readonly listening: Map<string, Listening>;
};

/**
 * Keeps what one sidecar refused from the others of its service: they keep the last good version, and a joiner or a sidecar that comes
 * back gets that one. Only instances of one service count as alike, so that no identity can keep anything from another. Held in memory: a
 * restart of Signet tries everything once more.
 */
export class Quarantine {
  readonly #services = new Map<ServiceKey, OfService>();
  /** Types of which it is known what each stream brought along: a bit for each, in the order of `SHARED`. */
  readonly #settled = new Map<StreamId, number>();
  /** Asked for at every event of a stream, and found by names that are put together. */
  #found = new WeakMap<Sidecar, Shelves>();

  /** What this sidecar is sent in place of what its plan says. Forgets what was said of other content. */
  serve(sidecar: Sidecar, emitted: readonly Emitted[]): readonly Content[] {
    const shelves = this.#shelves(sidecar);
    if (isClean(shelves)) return emitted;
    const versions = versionsOf(emitted);
    for (const shelf of [shelves.shared, shelves.listening])
      forgetOtherContent(shelf, (refusal) => isOf(versions, refusal));
    let isMixed = false;
    const content = emitted.map((resource): Content => {
      const instead = lastGood(this.#shelf(sidecar, resource.type), resource, sidecar.node);
      // Where there is none it is sent as it is: left out, it would be taken from whoever has an older one.
      if (instead === undefined) return resource;
      isMixed = true;
      return { ...instead, type: resource.type };
    });
    return isMixed ? [...content, ...this.#stillReferred(sidecar, versions)] : content;
  }

  /** What this sidecar is kept from, as of its last `serve`. */
  withheld(sidecar: Sidecar): readonly Withheld[] {
    const shelves = this.#shelves(sidecar);
    if (isClean(shelves)) return NOTHING;
    return [shelves.shared, shelves.listening].flatMap((shelf) =>
      [...shelf.refusals.values()].flatMap((refusal) =>
        isWithheld(refusal, sidecar.node)
          ? [{ refusal, instead: lastGood(shelf, refusal, sidecar.node)?.version }]
          : [],
      ),
    );
  }

  /** Learns from what happens on a stream. */
  follow(sidecar: Sidecar, event: StreamEvent, seen: Seen): Outcome {
    switch (event.kind) {
      case 'acked':
        return this.#acked(sidecar, event, seen.snapshot) ? { concerns: 'service', refusals: [] } : NO_OUTCOME;
      case 'nacked':
        return this.#nacked(sidecar, event, seen.emitted);
      case 'progress':
        if (event.progress === 'settled' && seen.snapshot !== undefined) this.#took(sidecar, seen.snapshot, event.held);
        return NO_OUTCOME;
      case 'closed':
        this.#settled.delete(sidecar.stream);
        this.#leave(sidecar);
        return NO_OUTCOME;
      default:
        return NO_OUTCOME;
    }
  }

  /** `true` if a quarantine ends with that. */
  #acked(sidecar: Sidecar, { type, taken }: Of<'acked'>, snapshot: Snapshot | undefined): boolean {
    if (!SHARED.includes(type)) return false;
    const shelf = this.#shelf(sidecar, type);
    putGood(shelf, type, taken, snapshot?.get(type) ?? NO_RESOURCES);
    let ended = false;
    if (shelf.refusals.size > 0) {
      for (const [name, version] of taken) if (prove(shelf, type, name, version, sidecar.node)) ended = true;
    }
    return ended;
  }

  #nacked(sidecar: Sidecar, { type, resources, error, at: since }: Of<'nacked'>, emitted: readonly Emitted[]): Outcome {
    if (!SHARED.includes(type)) return NO_OUTCOME;
    const shelf = this.#shelf(sidecar, type);
    const versions = versionsOf(emitted);
    const names = resources.map(({ name }) => name);
    const isSure = names.length === 1 || namedIn(error, names).size > 0;
    const local = localNames(error, names);
    const refusals = resources.flatMap(({ name, version }) => {
      // Not what the mesh says any more, or not the resource's fault.
      if (!isOf(versions, { type, name, version }) || local.has(name)) return [];
      // What others took is not to blame unless it is named.
      if (!isSure && isProven(shelf, type, name, version)) return [];
      return putRefusal(shelf, { type, name, version, error, since }, sidecar.node) ?? [];
    });
    // One more that refuses what nobody is sent anyway changes nothing.
    if (refusals.some(({ by, proven }) => !proven && by.size === 1)) return { concerns: 'service', refusals };
    return { concerns: refusals.some(({ proven }) => proven) ? 'sidecar' : 'nobody', refusals };
  }

  /**
   * The sidecar has all that it asked for, taken on this stream or on an earlier one. An Envoy that starts asks for listeners long
   * after it settled on clusters: what it was not sent yet is proven by nothing.
   */
  #took(sidecar: Sidecar, snapshot: Snapshot, held: Held): void {
    const { shared, listening } = this.#shelves(sidecar);
    const before = this.#settled.get(sidecar.stream) ?? 0;
    let settled = before;
    const isComplete = this.withheld(sidecar).length === 0;
    for (let at = 0; at < SHARED.length; at += 1) {
      const type = SHARED[at] ?? TYPE.cds;
      const shelf = type === TYPE.lds ? listening : shared;
      const resources = snapshot.get(type) ?? NO_RESOURCES;
      const versions = held.get(type);
      if (versions !== undefined && (settled & (1 << at)) === 0) {
        settled |= 1 << at;
        putGood(shelf, type, versions, resources);
      }
      if (isComplete) keepGood(shelf, type, resources);
    }
    if (settled !== before) this.#settled.set(sidecar.stream, settled);
  }

  /** Forgets services that are no more. */
  retain(services: ReadonlyMap<ServiceKey, unknown>): void {
    for (const service of [...this.#services.keys()]) if (!services.has(service)) this.#services.delete(service);
    this.#found = new WeakMap();
  }

  /** What the old form of something may refer to, and the new state has not got any more. */
  #stillReferred(sidecar: Sidecar, versions: Versions): readonly Content[] {
    const { good } = this.#shelf(sidecar, TYPE.cds);
    return REFERRED.flatMap((type) =>
      [...(good.get(type) ?? [])].flatMap(([name, [newest]]) =>
        newest === undefined || versions.get(type)?.has(name) ? [] : [{ ...newest, type }],
      ),
    );
  }

  #shelf(sidecar: Sidecar, type: TypeUrl): Shelf {
    // A listener says where it listens: it is the same only for those that listen alike.
    const { shared, listening } = this.#shelves(sidecar);
    return type === TYPE.lds ? listening : shared;
  }

  #shelves(sidecar: Sidecar): Shelves {
    const known = this.#found.get(sidecar);
    if (known !== undefined) return known;
    const found = { shared: this.#ofService(sidecar).shared[sidecar.client], listening: this.#listening(sidecar) };
    this.#found.set(sidecar, found);
    return found;
  }

  #ofService({ service }: Sidecar): OfService {
    const known = this.#services.get(service);
    if (known !== undefined) return known;
    const fresh = { shared: { envoy: newShelf(), grpc: newShelf() }, listening: new Map<string, Listening>() };
    this.#services.set(service, fresh);
    return fresh;
  }

  #listening(sidecar: Sidecar): Shelf {
    const { listening } = this.#ofService(sidecar);
    const key = planKey(sidecar);
    const known = listening.get(key) ?? { shelf: newShelf(), streams: new Set() };
    listening.set(key, known);
    known.streams.add(sidecar.stream);
    return known.shelf;
  }

  #leave(sidecar: Sidecar): void {
    this.#found.delete(sidecar);
    const { listening } = this.#ofService(sidecar);
    const key = planKey(sidecar);
    const known = listening.get(key);
    known?.streams.delete(sidecar.stream);
    if (known === undefined || known.streams.size > 0 || listening.size <= MOST_LISTENINGS) return;
    // Who left last is remembered longest.
    listening.delete(key);
    listening.set(key, known);
    const left = [...listening].filter(([, { streams }]) => streams.size === 0);
    for (const [oldest] of left.slice(0, Math.max(0, left.length - MOST_LISTENINGS))) listening.delete(oldest);
  }
}

type Of<Kind extends StreamEvent['kind']> = StreamEvent & { readonly kind: Kind };

type Versions = ReadonlyMap<TypeUrl, ReadonlyMap<string, string>>;

const versionsOf = (emitted: readonly Emitted[]): Versions => {
  const types = new Map<TypeUrl, Map<string, string>>();
  for (const { type, name, version } of emitted) {
    const names = types.get(type) ?? new Map<string, string>();
    types.set(type, names.set(name, version));
  }
  return types;
};

const isOf = (versions: Versions, { type, name, version }: Pick<Refusal, 'type' | 'name' | 'version'>): boolean =>
  versions.get(type)?.get(name) === version;

/** What a refusal says that only this host cannot do. Envoy has a line for each listener. */
const localNames = (error: string, names: readonly string[]): ReadonlySet<string> => {
  const lines = error.split('\n').filter((line) => LOCAL.test(line));
  if (lines.length === 0) return new Set();
  const named = namedIn(lines.join('\n'), names);
  return named.size === 0 ? new Set(names) : named;
};

import type { ExpiryWindow } from '../../ca/renewal.ts';
import type { Duration } from '../../lib/time.ts';
import { type Clock, every } from '../clock.ts';
import { AUTHORITY_NAMES, authorityWindow } from '../health/authorities.ts';
import type { AuthorityFacts } from '../health/facts.ts';
import { count, named } from '../health/words.ts';
import type { Log } from '../log.ts';

/** A certificate that a connected sidecar uses. */
type InUse = { readonly node: string; readonly window: ExpiryWindow };

export type ExpiryWatchOptions = {
  readonly clock: Clock;
  /** What the connected sidecars use. */
  readonly certificates: () => readonly InUse[];
  readonly authorities: () => readonly AuthorityFacts[];
  readonly log: Log;
};

const LOOK_EVERY: Duration = 10_000;

const WORDS: Readonly<Record<Exclude<ExpiryWindow, 'good'>, string>> = {
  early: 'not valid yet by the clock of this host',
  overdue: 'to be replaced by now and not replaced',
  ending: 'about to end and not replaced',
  expired: 'expired',
};

/** Says in the log which certificates have come into a window of their life where they should not be: once for each window, in one line for all. */
export class ExpiryWatch {
  readonly #options: ExpiryWatchOptions;
  #said = new Map<string, ExpiryWindow>();
  readonly #cancel: () => void;

  constructor(options: ExpiryWatchOptions) {
    this.#options = options;
    this.#cancel = every(options.clock, LOOK_EVERY, () => this.#look());
  }

  close(): void {
    this.#cancel();
  }

  #look(): void {
    const { clock, certificates, authorities } = this.#options;
    const now = clock.now();
    const windows = new Map<string, ExpiryWindow>();
    for (const { node, window } of certificates()) windows.set(node, window);
    for (const authority of authorities()) {
      windows.set(`the ${AUTHORITY_NAMES[authority.role]}`, authorityWindow(authority, now));
    }
    const news = new Map<ExpiryWindow, string[]>();
    for (const [name, window] of windows) {
      if ((this.#said.get(name) ?? 'good') !== window) news.set(window, [...(news.get(window) ?? []), name]);
    }
    this.#said = new Map([...windows].filter(([, window]) => window !== 'good'));
    for (const [window, names] of news) this.#say(window, names);
  }

  #say(window: ExpiryWindow, names: readonly string[]): void {
    const { log } = this.#options;
    if (window === 'good') {
      log.info({ certificates: names.length }, `good again: the certificate of ${named(names)}`);
      return;
    }
    const sentence = `${count(names.length, 'certificate')} ${WORDS[window]}: ${named(names)}`;
    if (window === 'overdue') log.warn({ window }, sentence);
    else log.error({ window }, sentence);
  }
}

import type { Clock } from '../../src/control/clock.ts';

/** A clock that moves only when told to, and then runs what became due, in order. */
export class FakeClock implements Clock {
  #now: number;
  #timers: { at: number; run: () => void }[] = [];

  constructor(now = Date.UTC(2027, 0, 1)) {
    this.#now = now;
  }

  readonly now = (): number => this.#now;

  readonly after = (delay: number, run: () => void): (() => void) => {
    const timer = { at: this.#now + Math.max(0, delay), run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  get pending(): number {
    return this.#timers.length;
  }

  /** Moves on by `span` milliseconds, timer by timer, letting promises settle after each. */
  async advance(span: number): Promise<void> {
    const end = this.#now + span;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
      await settle();
    }
    this.#now = end;
    await settle();
  }

  /** Sets the wall clock without running anything, as an administrator would. */
  jump(span: number): void {
    this.#now += span;
  }
}

/** Lets everything that is ready to run, run. */
export const settle = async (): Promise<void> => {
  for (let i = 0; i < 8; i++) await new Promise((resolve) => setImmediate(resolve));
};

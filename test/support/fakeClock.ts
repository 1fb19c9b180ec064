import type { Clock } from '../../src/control/clock.ts';

/** Clocks that move only when told to, and then run what became due, in order. Timers follow the monotonic one, as Node's do. */
export class FakeClock implements Clock {
  #wall: number;
  #monotonic = 1_000;
  #timers: { at: number; run: () => void }[] = [];

  constructor(now = Date.UTC(2027, 0, 1)) {
    this.#wall = now;
  }

  readonly now = (): number => this.#wall;

  readonly monotonic = (): number => this.#monotonic;

  readonly after = (delay: number, run: () => void): (() => void) => {
    const timer = { at: this.#monotonic + Math.max(0, delay), run };
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
    const end = this.#monotonic + span;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#pass(Math.max(0, next.at - this.#monotonic));
      next.run();
      await settle();
    }
    this.#pass(end - this.#monotonic);
    await settle();
  }

  /** Time passes and nothing is run, as for a process that is stopped (SIGSTOP) and goes on with the next `advance`. */
  stall(span: number): void {
    this.#pass(span);
  }

  /** The same as `advance` for spans in which timers would run thousands of times: they run in the last half minute of each quarter of an hour. */
  async skip(span: number): Promise<void> {
    for (let left = span; left > 0; left -= 900_000) {
      const step = Math.min(left, 900_000);
      this.stall(Math.max(0, step - 30_000));
      await this.advance(Math.min(step, 30_000));
    }
  }

  /** Sets the wall clock without running anything, as an administrator would. A machine that sleeps does it too: its monotonic clock stands still. */
  jump(span: number): void {
    this.#wall += span;
  }

  #pass(span: number): void {
    this.#wall += span;
    this.#monotonic += span;
  }
}

/** Lets everything that is ready to run, run. */
export const settle = async (): Promise<void> => {
  for (let i = 0; i < 8; i++) await new Promise((resolve) => setImmediate(resolve));
};

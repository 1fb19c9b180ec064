import type { Duration, Instant } from '../lib/time.ts';

/** The port for everything that depends on time, so that tests can own it. */
export type Clock = {
  /** The wall clock. Whoever runs the machine may set it, forward and back. */
  readonly now: () => Instant;
  /**
   * Milliseconds since some moment, by the clock that nobody sets: it never goes back. It stands still while the machine
   * sleeps (CLOCK_MONOTONIC), and timers with it. https://man7.org/linux/man-pages/man2/clock_gettime.2.html
   */
  readonly monotonic: () => Duration;
  /** Runs once, after at least `delay` of the monotonic clock; the result cancels it. */
  readonly after: (delay: Duration, run: () => void) => () => void;
};

/** The machine's clocks. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delay, run) => {
    const timer = setTimeout(run, delay);
    return () => clearTimeout(timer);
  },
};

/** Runs again and again, each time so long after the last one ended; the result stops it. */
export const every = (clock: Pick<Clock, 'after'>, span: Duration, run: () => void): (() => void) => {
  let cancel = (): void => {};
  const wait = (): void => {
    cancel = clock.after(span, () => {
      run();
      wait();
    });
  };
  wait();
  return () => cancel();
};

/** A moment by both clocks: it has come when either says so, so that neither a sleep nor a clock that is set back puts it off. */
export type Deadline = { readonly wall: Instant; readonly monotonic: Duration };

/** The deadline for what the wall clock of now calls `at`. */
export const deadlineAt = (clock: Clock, at: Instant): Deadline => ({
  wall: at,
  monotonic: clock.monotonic() + (at - clock.now()),
});

/** How long until it comes; 0 or less when it has. */
export const timeUntil = (clock: Clock, { wall, monotonic }: Deadline): Duration =>
  Math.min(wall - clock.now(), monotonic - clock.monotonic());

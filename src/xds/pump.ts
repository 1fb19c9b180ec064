import type { Duration } from '../lib/time.ts';
import type { Happening } from './events.ts';
import { HEAD } from './grpc/framing.ts';
import { newSession, turn } from './session.ts';
import type { SessionEvent, SessionResponse, SessionState, Variant } from './sessionState.ts';
import type { Turnstile } from './turnstile.ts';
import { encodeFramed } from './wire.ts';

export type PumpPorts = {
  readonly variant: Variant;
  readonly noncePrefix: string;
  /** Hands a message with its gRPC head to the transport; `written` is called when it took them, never if the stream ends before. */
  readonly write: (framed: Buffer, written: () => void) => void;
  readonly tell: (what: Happening) => void;
  readonly overrun: (message: string) => void;
  readonly turnstile: Turnstile;
  readonly holdFor: Duration;
};

/** The session's effects: it turns at each event, writes what comes out and keeps the one timer. */
export type Pump = {
  readonly step: (event: SessionEvent) => void;
  readonly session: () => SessionState;
  readonly stop: () => void;
};

const WRITTEN: SessionEvent = { kind: 'written' };

export const newPump = (ports: PumpPorts): Pump => {
  let session = newSession(ports.noncePrefix, ports.variant);
  let stopped = false;
  let holdTimer: NodeJS.Timeout | undefined;

  const step = (event: SessionEvent): void => {
    if (stopped) return;
    const { state, responses, notices } = turn(session, event);
    session = state;
    watchHold();
    for (const notice of notices) {
      if (notice.kind === 'overrun') ports.overrun(notice.message);
      else if (!stopped) ports.tell(notice);
    }
    const [response] = responses;
    if (response === undefined || stopped) return;
    waiting = response;
    ports.turnstile.enter(sizeOf(response), pass);
  };

  const watchHold = (): void => {
    if (!session.holding) {
      clearTimeout(holdTimer);
      holdTimer = undefined;
    } else if (holdTimer === undefined) {
      const waited = (): void => {
        holdTimer = undefined;
        step({ kind: 'waited' });
      };
      holdTimer = setTimeout(waited, ports.holdFor).unref();
    }
  };

  /** The one response that waits for its turn: none is chosen before the one before it is written. */
  let waiting: SessionResponse | undefined;
  const written = (): void => {
    ports.turnstile.leave(pass);
    step(WRITTEN);
  };
  const pass = (): void => {
    const response = waiting;
    waiting = undefined;
    // Only now are there bytes: a thousand streams that wait for their turn hold none.
    const framed = response && encoded(response);
    if (response === undefined || framed === undefined) {
      ports.turnstile.leave(pass);
      if (!stopped) ports.overrun('a response for this sidecar cannot be encoded');
      return;
    }
    ports.tell(sentEvent(response, framed.length - HEAD));
    ports.write(framed, written);
  };

  const stop = (): void => {
    stopped = true;
    waiting = undefined;
    clearTimeout(holdTimer);
    // A client that never hangs up must not keep a snapshot alive.
    session = newSession();
  };

  return { step, session: () => session, stop };
};

/** `undefined` if there are no such bytes (a response beyond what a Buffer holds): the end of one stream, not of the process. */
const encoded = (response: SessionResponse): Buffer | undefined => {
  try {
    return encodeFramed(response);
  } catch {
    return undefined;
  }
};

/** About the bytes of a response, before there are any. */
const sizeOf = ({ resources }: SessionResponse): number => {
  let size = 0;
  for (const { any } of resources) size += any.length;
  return size;
};

const sentEvent = ({ type, version, resources, removed }: SessionResponse, bytes: number): Happening => ({
  kind: 'sent',
  type,
  version,
  resources,
  removed,
  bytes,
});

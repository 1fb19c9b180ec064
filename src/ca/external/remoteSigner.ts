import type { Duration, Instant } from '../../lib/time.ts';

/** What a signer outside is asked for. */
export type SignAsk = {
  /** PKCS#10, PEM. */
  readonly csr: string;
  readonly use: 'intermediate' | 'leaf';
  /** The URI that the certificate is to hold: the trust domain's ID, or the workload's. */
  readonly id: string;
  /** How long it is to live at most; `undefined` leaves that to the signer. */
  readonly ttl: Duration | undefined;
};

/** Whoever signs for Signet outside of it. */
export type RemoteSigner = {
  /** For sentences: `the signer (exec /usr/local/bin/sign)`. */
  readonly name: string;
  /** Another text when what signs is another. */
  readonly origin: () => string;
  /** The chain, PEM, leaf first. @throws AppError `signer_failed` with a sentence that holds no secret */
  readonly sign: (ask: SignAsk) => Promise<string>;
};

/** The signer that mesh.yaml names, and what it signs. */
export type SignerChoice = { readonly sign: 'intermediate' | 'leaves'; readonly queue: SignerQueue };

export type SignerStatus = {
  readonly name: string;
  /** Since when it does not answer as it should, and how; absent while it does. */
  readonly away: { readonly since: number; readonly why: string; readonly askedAgainAt: number } | undefined;
  readonly asked: number;
  readonly failed: number;
};

export type SignerQueue = {
  readonly origin: () => string;
  /**
   * Asks in turn and hands the answer, with the moment when it came, to `judge`, whose refusal counts as a failure of
   * the signer: what was signed while it was waited for is not of the future.
   * @throws AppError `signer_away` without asking, for a while after a failure; `signer_failed`; what `judge` throws
   */
  readonly ask: <T>(what: SignAsk, judge: (chainPem: string, now: Instant) => Promise<T>) => Promise<T>;
  readonly status: () => SignerStatus;
};

import { resolve } from 'node:path';
import type { MeshAuthority } from '../ca/authority.ts';
import { execSigner } from '../ca/external/execSigner.ts';
import { fileSigner } from '../ca/external/fileSigner.ts';
import type { RemoteSigner, SignerChoice } from '../ca/external/remoteSigner.ts';
import { signerQueue } from '../ca/external/signerQueue.ts';
import type { Clock } from '../control/clock.ts';
import type { Log } from '../control/log.ts';
import type { MeshSigner } from '../features/certificates/spec.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import type { Duration } from '../lib/time.ts';

export type SignerOptions = {
  /** What mesh.yaml says now. */
  readonly signer: () => MeshSigner | undefined;
  /** The folder of mesh.yaml. */
  readonly folder: string;
  readonly clock: Clock;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
};

/** The signer of mesh.yaml as the authority asks it; another one when the file says so. */
export type MeshSignerPort = {
  readonly choice: () => SignerChoice | undefined;
  /** Looks now and then whether an intermediate is due and whether the trust bundle is another; the result stops it. */
  readonly keep: (authority: Pick<MeshAuthority, 'tend' | 'trustBundle'>, onBundle: () => void) => () => void;
  /** Ends what runs. */
  readonly close: () => void;
};

const LOOK_EVERY: Duration = 2_000;

const remote = (
  { by, timeout }: MeshSigner,
  { folder, env, clock }: SignerOptions,
  closed: AbortSignal,
): RemoteSigner =>
  by.kind === 'exec'
    ? execSigner({ command: by.command, folder, timeout, env, closed })
    : fileSigner({
        certificate: resolve(folder, by.certificate),
        key: resolve(folder, by.key),
        roots: by.roots === undefined ? undefined : resolve(folder, by.roots),
        now: clock.now,
      });

export const meshSignerPort = (options: SignerOptions): MeshSignerPort => {
  const { clock, log } = options;
  const closing = new AbortController();
  const wait = (delay: Duration): Promise<void> =>
    new Promise((done) => {
      clock.after(delay, done);
    });
  let serves = false;
  let held: { readonly text: string; readonly choice: SignerChoice } | undefined;
  const make = (signer: MeshSigner): SignerChoice => {
    const asked = remote(signer, options, closing.signal);
    const queue = signerQueue(asked, { now: clock.now, wait }, (away) => {
      if (away === undefined) log.info({}, `${asked.name} signs again`);
      // Before that nothing is served, and whoever waits for it says so.
      else if (serves)
        log.error({}, `${asked.name} is away (${away.why}); Signet serves on, and \`signet check\` says for how long`);
    });
    return { sign: signer.sign, queue };
  };
  const choice = (): SignerChoice | undefined => {
    const signer = options.signer();
    if (signer === undefined) return undefined;
    const text = JSON.stringify(signer);
    if (held?.text !== text) held = { text, choice: make(signer) };
    return held.choice;
  };
  let told: string | undefined;
  return {
    choice,
    keep: (authority, onBundle) => {
      serves = true;
      let cancel = (): void => {};
      let bundle = authority.trustBundle();
      const look = async (): Promise<void> => {
        try {
          await authority.tend(clock.now());
          told = undefined;
        } catch (error) {
          const reason = messageOf(error);
          const isAsked = !(error instanceof AppError && error.code === 'signer_away');
          if (isAsked && reason !== told)
            log.error({ err: error }, 'the signer was asked and did not sign; what is in force goes on');
          if (isAsked) told = reason;
        }
        // A signer that changed its root has begun a rotation, of which every sidecar is to hear.
        if (authority.trustBundle() !== bundle) onBundle();
        bundle = authority.trustBundle();
        if (!closing.signal.aborted) cancel = clock.after(LOOK_EVERY, () => void look());
      };
      void look();
      return () => cancel();
    },
    close: () => closing.abort(),
  };
};

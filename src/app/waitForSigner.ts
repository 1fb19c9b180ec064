import type { AdminServer } from '../admin/server.ts';
import type { Log } from '../control/log.ts';
import type { MeshSource } from '../control/meshSource.ts';
import { showDiagnostic } from '../lib/diagnostic.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import type { Duration } from '../lib/time.ts';

export type WaitOptions = {
  readonly source: Pick<MeshSource, 'reread' | 'state'>;
  readonly wait: (delay: Duration) => Promise<void>;
  /** Answers operators meanwhile, with what it is asked for. */
  readonly openDoor: (why: () => string) => Promise<AdminServer>;
  readonly log: Log;
};

const ASK_AGAIN: Duration = 3_000;

const isSigner = (error: unknown): error is AppError<'signer_away' | 'signer_failed'> =>
  error instanceof AppError && (error.code === 'signer_away' || error.code === 'signer_failed');

/**
 * Begins, and tries again for as long as it is the signer that a first start waits for, by what mesh.yaml says then. Nothing
 * is made up in the signer's place: a mesh whose signer is away does not begin.
 * @throws AppError what `begin` throws for any other reason; `listen_failed` of the door
 */
export const waitForSigner = async <T>(begin: () => Promise<T>, options: WaitOptions): Promise<T> => {
  const { source, wait, openDoor, log } = options;
  const told = new Set<string>();
  const tell = (sentence: string, fields: Record<string, unknown> = {}): void => {
    if (!told.has(sentence)) log.error(fields, sentence);
    told.add(sentence);
  };
  let door: AdminServer | undefined;
  let why = '';
  try {
    for (;;) {
      try {
        return await begin();
      } catch (error) {
        if (!isSigner(error)) throw error;
        // While it is not asked, the reason is the one from before.
        if (error.code === 'signer_failed' || why === '') why = messageOf(error);
        tell(
          `the mesh cannot begin before the signer has signed for it: ${why}; until then no sidecar is served. Mend the signer, which is asked again and again, or name another in mesh.yaml, which is followed`,
        );
      }
      door ??= await openDoor(
        () =>
          `the mesh has not begun, because its signer has not signed for it (${why}): mend the signer, which is asked again and again, or name another in mesh.yaml, which is followed`,
      );
      await wait(ASK_AGAIN);
      await source.reread();
      const { problem } = source.state();
      if (problem !== undefined)
        tell(`the saved file is not followed: ${problem.message}`, {
          diagnostics: problem.diagnostics.map(showDiagnostic),
        });
    }
  } finally {
    await door?.close();
  }
};

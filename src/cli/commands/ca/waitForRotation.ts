import { setTimeout as sleep } from 'node:timers/promises';
import type { RotationAnswer } from '../../../admin/rotationResponses.ts';
import { AppError } from '../../../lib/errors.ts';
import type { Duration } from '../../../lib/time.ts';
import type { AdminClient } from '../../adminClient.ts';

const EVERY: Duration = 500;
/** A control plane that is started again is waited for so long. */
const AWAY: Duration = 120_000;

/** What makes a line of progress: the step, and who is waited for. */
const lineOf = ({ rotation }: RotationAnswer): string => {
  if (rotation === null) return 'done';
  const { step, paused, waitingFor, to } = rotation;
  const names = waitingFor.slice(0, 3).map(({ node, why }) => `${node} ${why}`);
  const more = waitingFor.length > names.length ? [`and ${waitingFor.length - names.length} more`] : [];
  const waits = waitingFor.length === 0 ? '' : `: waits for ${waitingFor.length} (${[...names, ...more].join('; ')})`;
  return `${step} towards ${to.slice(0, 8)}${paused ? ', PAUSED' : ''}${waits}`;
};

export type Outcome = { readonly answer: RotationAnswer; readonly arrived: boolean };

/**
 * Follows the plan to its end; `say` hears each change. Arrived is whoever signs with the CA that the plan led to when it was
 * first seen, so not after an abort.
 * @throws AppError `unreachable` when the control plane stays away
 */
export const waitForRotation = async (
  client: AdminClient,
  first: RotationAnswer,
  say: (line: string) => void,
): Promise<Outcome> => {
  const target = first.rotation?.to;
  const kind = first.rotation?.kind;
  let answer = first;
  let said = '';
  let heardAt = Date.now();
  while (answer.rotation !== null) {
    const line = lineOf(answer);
    if (line !== said) say(line);
    said = line;
    await sleep(EVERY);
    try {
      answer = await client.get<RotationAnswer>('/api/v1/ca/rotation');
      heardAt = Date.now();
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'unreachable' || Date.now() - heardAt > AWAY) throw error;
      if (said !== error.message) say(`${error.message} (waiting)`);
      said = error.message;
    }
  }
  const active = kind === 'intermediate' ? answer.active.intermediate : answer.active.root;
  return { answer, arrived: target === undefined || active === target };
};

import { type Instant, iso } from '../../lib/time.ts';
import { type Check, failure, finding, fine, type HealthReport, reportOf } from './finding.ts';
import { span } from './words.ts';

/** That it was looked at is the proof; that nobody answers is said by who asked (`noAnswer`). */
export const answers: Check = {
  code: 'CHK0101',
  group: 'control plane',
  about: 'the control plane answers',
  look: ({ version, now, startedAt }) => [fine(`Signet ${version} answers, up for ${span(now - startedAt)}`)],
};

/** The report of whoever asked and was not answered. */
export const noAnswer = (at: Instant, message: string, action: string): HealthReport =>
  reportOf(at, [finding(answers, failure(message, action))]);

export const storeTakesWrites: Check = {
  code: 'CHK0102',
  group: 'control plane',
  about: 'the store takes what is to be kept',
  look: ({ storeTrouble: trouble }) =>
    trouble === undefined
      ? [fine('the store takes what is to be kept')]
      : [
          failure(
            `since ${iso(trouble.since)} the store does not take what is to be kept: ${trouble.message}`,
            'free space on the disk of the data directory, and look at its mode and owner; until then nobody can join, and a restart forgets what is new',
          ),
        ],
};

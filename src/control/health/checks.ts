import { authorities } from './authorities.ts';
import { certificatesHeld, renewalsSucceed, workloadCertificates } from './certificates.ts';
import { clocksAgree } from './clocks.ts';
import { answers, storeTakesWrites } from './controlPlane.ts';
import { everyServiceServed, noCrowd, serviceIsLive, startIsOver } from './endpoints.ts';
import { permissivePorts, plaintextPorts, rulesInTime } from './exceptions.ts';
import type { HealthFacts } from './facts.ts';
import { type Check, finding, type HealthReport, reportOf } from './finding.ts';
import { fileInForce, fileWarnings } from './meshFile.ts';
import { revocations } from './revocations.ts';
import { channelAnchors, rotation } from './rotation.ts';
import { allSettled, configurationMade, nothingRefused, oneStreamEach } from './sidecars.ts';
import { signer } from './signer.ts';
import { oneName, trustedRoots } from './trust.ts';

/** Everything that `signet check` looks at, in the order in which it is shown. `docs/check.md` explains each code. */
export const CHECKS: readonly Check[] = [
  answers,
  storeTakesWrites,
  fileInForce,
  fileWarnings,
  allSettled,
  nothingRefused,
  configurationMade,
  oneStreamEach,
  startIsOver,
  noCrowd,
  serviceIsLive,
  everyServiceServed,
  workloadCertificates,
  authorities,
  trustedRoots,
  oneName,
  signer,
  certificatesHeld,
  renewalsSucceed,
  clocksAgree,
  rotation,
  channelAnchors,
  revocations,
  permissivePorts,
  plaintextPorts,
  rulesInTime,
];

/** The health of the whole mesh at one moment. */
export const checkHealth = (facts: HealthFacts): HealthReport =>
  reportOf(
    facts.now,
    CHECKS.flatMap((check) => check.look(facts).map((line) => finding(check, line))),
  );

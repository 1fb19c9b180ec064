import type { TrustDomain } from '../../spiffe/spiffeId.ts';
import { namespaceProblem, resolveCaller } from '../callers.ts';
import type { Outline } from '../outline.ts';
import type { Place, Report } from '../places.ts';
import type { Callers, DeclaredRule, Written } from '../rules.ts';
import type { Check } from './check.ts';

/** An allow says for whom it is; every caller that a rule names exists, and nothing stays empty. */
export const ruleCallers: Check = (outline, report) => {
  for (const rule of outline.rules) {
    if (rule.from === undefined) {
      if (rule.action === 'allow')
        report({
          code: 'SIG0501',
          place: rule.place,
          message: 'an allow needs a from',
          hint: 'write a caller, "*" for any identity of this mesh, or anyone',
        });
      continue;
    }
    if (rule.from.length === 0) reportEmpty(rule.fromPlace, 'list', report);
    for (const source of rule.from) {
      if (source.kind === 'caller') checkCaller(outline, rule, source.caller, true, report);
      else checkSource(outline, rule, source, source.not, report);
    }
  }
};

const reportEmpty = (place: Place, what: string, report: Report): void =>
  report({
    code: 'SIG0210',
    place,
    message: `an empty ${what} names nobody`,
    hint: '"*" is any identity of this mesh, anyone is everybody',
  });

const checkSource = (
  outline: Outline,
  rule: DeclaredRule,
  source: Callers,
  not: Callers | undefined,
  report: Report,
): void => {
  if (source.principals === undefined && source.namespaces === undefined && not === undefined)
    reportEmpty(source.place, 'map', report);
  if (not !== undefined && not.principals === undefined && not.namespaces === undefined)
    reportEmpty(not.place, 'map', report);
  for (const callers of not === undefined ? [source] : [source, not]) {
    for (const list of [callers.principals, callers.namespaces])
      if (list?.length === 0) reportEmpty(callers.place, 'list', report);
    for (const principal of callers.principals ?? []) checkCaller(outline, rule, principal, false, report);
    for (const { text, place } of callers.namespaces ?? []) {
      const problem = namespaceProblem(outline, text);
      if (problem !== undefined && problem !== 'unknown') report({ ...problem, place });
    }
  }
};

const checkCaller = (
  outline: Outline,
  rule: DeclaredRule,
  { text, place }: Written,
  alone: boolean,
  report: Report,
): void => {
  const found = resolveCaller(outline, 'unknown' as TrustDomain, rule.scope, text);
  if (!found.ok) {
    if (found.error !== 'unknown') report({ ...found.error, place });
  } else if (found.value === 'anyone' && !alone)
    report({
      code: 'SIG0504',
      place,
      message: 'anyone is no identity, so it is no principal',
      hint: 'write from: anyone',
    });
};

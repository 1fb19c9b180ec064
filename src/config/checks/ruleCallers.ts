import { didYouMean } from '../../lib/suggest.ts';
import { parseTrustDomain, type TrustDomain, trustDomainOf } from '../../spiffe/spiffeId.ts';
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
  if (isEmpty(source) && not === undefined) reportEmpty(source.place, 'map', report);
  if (not !== undefined && isEmpty(not)) reportEmpty(not.place, 'map', report);
  for (const callers of not === undefined ? [source] : [source, not]) {
    const { principals, namespaces, trustDomains, place } = callers;
    for (const list of [principals, namespaces, trustDomains])
      if (list?.length === 0) reportEmpty(place, 'list', report);
    for (const principal of principals ?? []) checkCaller(outline, rule, principal, false, report);
    for (const { text, place } of namespaces ?? []) {
      const problem = namespaceProblem(outline, text);
      if (problem !== undefined && problem !== 'unknown') report({ ...problem, place });
    }
    for (const domain of trustDomains ?? []) checkDomain(outline, domain, report);
  }
};

const isEmpty = ({ principals, namespaces, trustDomains }: Callers): boolean =>
  principals === undefined && namespaces === undefined && trustDomains === undefined;

const checkDomain = (outline: Outline, { text, place }: Written, report: Report): void => {
  const domain = parseTrustDomain(text);
  if (domain === undefined)
    report({
      code: 'SIG0301',
      place,
      message: `${JSON.stringify(text.slice(0, 80))} is not a trust domain`,
      hint: 'a-z, 0-9, dots, - and _, for example partner.example',
    });
  else reportUntrusted(outline, domain, place, report);
};

// A warning: whoever writes an ID in full may do so before its trust domain is trusted, and it lets nobody in.
const reportUntrusted = (
  { file: { mesh }, trustUnread }: Outline,
  domain: TrustDomain,
  place: Place,
  report: Report,
): void => {
  const trusted = (mesh.trust ?? []).map(({ trustDomain }) => trustDomain);
  const known = [mesh.trustDomain, ...(mesh.trustDomainAliases ?? []), ...trusted];
  if (!trustUnread && !known.includes(domain))
    report({
      code: 'SIG0512',
      place,
      severity: 'warning',
      message: `nobody can prove an identity of ${domain} here`,
      hint: didYouMean(domain, known) ?? `mesh.trust names the trust domains whose certificates are believed`,
    });
};

const checkCaller = (
  outline: Outline,
  rule: DeclaredRule,
  { text, place }: Written,
  alone: boolean,
  report: Report,
): void => {
  const own = outline.file.mesh.trustDomain as TrustDomain;
  const found = resolveCaller(outline, own, rule.scope, text);
  if (!found.ok) {
    if (found.error !== 'unknown') report({ ...found.error, place });
  } else if (found.value === 'anyone' && !alone)
    report({
      code: 'SIG0504',
      place,
      message: 'anyone is no identity, so it is no principal',
      hint: 'write from: anyone',
    });
  else if (found.value !== 'anyone' && found.value.kind === 'id')
    reportUntrusted(outline, trustDomainOf(found.value.id), place, report);
};

import { parseMoment } from '../forms/moment.ts';
import type { Check } from './check.ts';

/** A rule's end is a moment; that it has passed is worth a warning and never an error. A rule's name can be printed. */
export const ruleLifetimes: Check = ({ rules, now }, report) => {
  for (const { until, name, action } of rules) {
    if (name !== undefined && !/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$/.test(name.text))
      report({
        code: 'SIG0206',
        place: name.place,
        message: `${JSON.stringify(name.text.slice(0, 80))} is not a name for a rule`,
        hint: 'letters, digits, spaces, dots, - and _, at most 63',
      });
    if (until === undefined) continue;
    const moment = parseMoment(until.text);
    if (moment === undefined)
      report({
        code: 'SIG0208',
        place: until.place,
        message: `${until.text} is not a moment in time`,
        hint: 'write 2027-06-30T12:00:00Z, with a time and a zone',
      });
    else if (now !== undefined && now >= moment)
      report({
        code: 'SIG0510',
        place: until.place,
        severity: 'warning',
        message: `this rule ended at ${until.text}`,
        hint:
          action === 'allow'
            ? 'the port stays closed to others; remove the rule, or write a later moment'
            : 'it denies nothing any more',
      });
  }
};

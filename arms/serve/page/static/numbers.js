// Numbers as people read them.

const UNKNOWN = "unknown";
const count = new Intl.NumberFormat("en");
const three = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const dollars = (digits) => new Intl.NumberFormat("en", {
  style: "currency", currency: "USD", currencyDisplay: "narrowSymbol", maximumSignificantDigits: digits,
});
const [exact, rough] = [dollars(3), dollars(2)];
const known = (write) => (value) => (value === null || value === undefined ? UNKNOWN : write(value));

export const whole = known((value) => count.format(value));
export const decimal = known((value) => value.toFixed(3));
export const percent = known((value) => `${(100 * value).toFixed(1)} %`);
export const usd = known((value) => exact.format(value));
export const roughUsd = known((value) => rough.format(value));
export const seconds = known((value) => (value < 1 ? `${three.format(1000 * value)} ms` : `${three.format(value)} s`));

/** Whether digits may be those of a payment card, and letters and digits those of an IBAN. */

export function isLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(digits.length - 1 - i) - 48;
    const twice = digit * 2;
    sum += i % 2 === 0 ? digit : twice > 9 ? twice - 9 : twice;
  }
  return sum % 10 === 0;
}

/** By the first four digits: of how many digits the numbers of an issuer are. Visa, Mastercard, American Express, Diners, Discover, JCB, UnionPay, Maestro. */
const ISSUERS: readonly (readonly [first: number, last: number, lengths: readonly number[]])[] = [
  [4000, 4999, [13, 16, 19]],
  [5100, 5599, [16]],
  [2221, 2720, [16]],
  [3400, 3499, [15]],
  [3700, 3799, [15]],
  [3000, 3059, [14, 16, 19]],
  [3600, 3699, [14, 16, 19]],
  [3800, 3999, [14, 16, 19]],
  [3528, 3589, [16, 17, 18, 19]],
  [5000, 5099, [12, 13, 14, 15, 16, 17, 18, 19]],
  [5600, 5899, [12, 13, 14, 15, 16, 17, 18, 19]],
  [6000, 6999, [12, 13, 14, 15, 16, 17, 18, 19]],
];
const NONE: ReadonlySet<number> = new Set();
const LENGTHS_OF: readonly ReadonlySet<number>[] = Array.from({ length: 10_000 }, (_, four) => {
  const lengths = ISSUERS.flatMap(([first, last, all]) => (four >= first && four <= last ? all : []));
  return lengths.length > 0 ? new Set(lengths) : NONE;
});

/** How long the number of a card may be that begins with these digits, four at least. */
export const cardLengths = (digits: string): ReadonlySet<number> => LENGTHS_OF[Number(digits.slice(0, 4))] ?? NONE;

/** Characters of an IBAN, by country, as the registry of SWIFT has them. */
const LENGTHS: { readonly [country: string]: number } = Object.fromEntries(
  (
    '15 NO;16 BE BI;18 DK FI FK FO GL NL SD;19 MK SI;20 AT BA EE KZ LT LU MN XK;21 CH CR HR LI LV;22 BG BH DE GB GE IE ME RS VA;' +
    '23 AE GI IL IQ OM SO TL;24 AD CZ ES MD PK RO SA SE SK TN VG;25 AO CV LY MZ PT ST;26 IR IS TR;27 BF CF CG CI CM DJ FR GA GQ GR IT KM MC MG MR SM TD;' +
    '28 AL AZ BJ BY CY DO DZ GT HU LB MA ML NE NI PL SN SV TG;29 BR EG PS QA UA;30 JO KW MU YE;31 MT SC;32 LC;33 RU;25 GW;28 HN'
  )
    .split(';')
    .flatMap((group) => {
      const [length, ...countries] = group.split(' ');
      return countries.map((country) => [country, Number(length)]);
    }),
);

/** How long an IBAN of this country is; undefined for no country with IBANs. */
export const ibanLength = (country: string): number | undefined => (Object.hasOwn(LENGTHS, country) ? LENGTHS[country] : undefined);

/** ISO 13616: the first four characters behind the rest, letters as 10 to 35, modulo 97. */
export function isIban(compact: string): boolean {
  if (compact.length !== ibanLength(compact.slice(0, 2))) return false;
  let rest = 0;
  for (const character of compact.slice(4) + compact.slice(0, 4)) {
    const value = Number.parseInt(character, 36);
    if (Number.isNaN(value)) return false;
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}

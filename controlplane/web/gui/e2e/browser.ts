/** The browser of the tests: Debian's chromium, kept from calling anybody. */
export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

export const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run',
  '--disable-default-apps', '--disable-domain-reliability', '--metrics-recording-only', '--disable-features=OptimizationHints,Translate,MediaRouter',
];

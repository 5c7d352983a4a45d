#!/bin/sh
# GGA and GLL sentences carry a time and no date. GPS.js gives them the date of the day on which the program runs, also
# in `state.time`, although the RMC sentence before has just told the date. A log of July read in November jumps
# between July and November once per second.
#
# Package: gps 0.9.0 (npm, GPS.js)
# Input:   RMC and GGA of the same second, 18 July 2026, as every dashcam writes them
# Expect:  state.time stays on the day that RMC gave, or GGA leaves it alone
# Seen:    2026-11-29, Node 20, clock set by a stub of Date to 29 November: RMC 2026-07-18T06:03:29.000Z, GGA
#          2026-11-29T06:03:29.000Z. The README says only that the state may contain `time`
# Matters: a track of stored footage made from state.time has half of its points on the day of the conversion; sorted
#          by time, it falls into two tracks. Take the time from RMC alone.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
export npm_config_cache="$work/cache"
npm install --silent --no-audit --no-fund --prefix "$work" gps@0.9.0

cat >run.js <<'EOF'
// The day of the run is fixed, so that the output is the same on every day.
const RealDate = Date;
const NOW = RealDate.UTC(2026, 10, 29, 12, 0, 0);
global.Date = class extends RealDate {
  constructor(...args) { args.length ? super(...args) : super(NOW); }
  static now() { return NOW; }
};
const GPS = require('gps');
const gps = new GPS();
const sentence = (body) => {
  const sum = [...body].reduce((sum, c) => sum ^ c.charCodeAt(0), 0);
  return `$${body}*${sum.toString(16).toUpperCase().padStart(2, '0')}`;
};
for (const body of [
  'GPRMC,060329.00,A,4807.03800,N,01131.00000,E,022.4,084.4,180726,,,A',
  'GPGGA,060329.00,4807.03800,N,01131.00000,E,1,08,0.9,545.4,M,46.9,M,,',
  'GPRMC,060330.00,A,4807.04000,N,01131.00300,E,022.4,084.4,180726,,,A',
  'GPGLL,4807.04000,N,01131.00300,E,060330.00,A,A',
]) {
  gps.update(sentence(body));
  console.log(body.slice(0, 5), gps.state.time.toISOString());
}
EOF
TZ=UTC node run.js | tee seen
cat >expected <<'EOF'
GPRMC 2026-07-18T06:03:29.000Z
GPGGA 2026-11-29T06:03:29.000Z
GPRMC 2026-07-18T06:03:30.000Z
GPGLL 2026-11-29T06:03:30.000Z
EOF
cmp -s seen expected || { echo "changed: GPS.js 0.9.0 dates GGA and GLL in another way"; exit 1; }
echo "as found: half of the log is dated today"

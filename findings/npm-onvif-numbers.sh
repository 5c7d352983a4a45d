#!/bin/sh
# npm's onvif turns every text of a device's answer that looks like a number into one, names and tokens included. The
# profile token "1.10" becomes 1.1, and the next request asks the camera for profile 1.1, which does not exist. A
# serial number of twenty digits is rounded, firmware 5.10 becomes 5.1. Leading zeros are kept, so most devices work. A
# device that sends its clock as LocalDateTime only gets it taken for UTC; its TimeZone is not looked at.
#
# Package: onvif 0.8.3 (npm)
# Input:   a device on loopback that answers GetDeviceInformation, GetProfiles and GetSystemDateAndTime by the ONVIF
#          schemas, where tokens and serial numbers are strings; clock 14:03:29 local, zone CST-8
# Expect:  strings as sent, the token as sent, 06:03:29Z
# Seen:    2026-11-29, Node 20: firmwareVersion 5.1, serialNumber 12345678901234567000, token asked for 1.1, clock
#          14:03:29Z
# Matters: no stream from such a camera, cameras told apart by serial number fall together, and searches in recordings
#          are hours off.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
export npm_config_cache="$work/cache"
npm install --silent --no-audit --no-fund --prefix "$work" onvif@0.8.3

cat >run.js <<'EOF'
const http = require('http');
const { Cam } = require('onvif');

const names = 'tds="http://www.onvif.org/ver10/device/wsdl" xmlns:trt="http://www.onvif.org/ver10/media/wsdl"';
const envelope = (body) =>
  `<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:${names}` +
  ` xmlns:tt="http://www.onvif.org/ver10/schema"><s:Body>${body}</s:Body></s:Envelope>`;
const device = http.createServer((request, response) => {
  let asked = '';
  request.on('data', (bytes) => (asked += bytes));
  request.on('end', () => {
    const base = `http://127.0.0.1:${device.address().port}/onvif`;
    const answers = {
      GetSystemDateAndTime:
        '<tds:SystemDateAndTime><tt:DateTimeType>NTP</tt:DateTimeType><tt:DaylightSavings>false</tt:DaylightSavings>' +
        '<tt:TimeZone><tt:TZ>CST-8</tt:TZ></tt:TimeZone><tt:LocalDateTime><tt:Time><tt:Hour>14</tt:Hour>' +
        '<tt:Minute>3</tt:Minute><tt:Second>29</tt:Second></tt:Time><tt:Date><tt:Year>2026</tt:Year>' +
        '<tt:Month>7</tt:Month><tt:Day>18</tt:Day></tt:Date></tt:LocalDateTime></tds:SystemDateAndTime>',
      GetDeviceInformation:
        '<tds:Manufacturer>Maker</tds:Manufacturer><tds:Model>Dome</tds:Model><tds:FirmwareVersion>5.10' +
        '</tds:FirmwareVersion><tds:SerialNumber>12345678901234567890</tds:SerialNumber>' +
        '<tds:HardwareId>0088</tds:HardwareId>',
      GetCapabilities:
        `<tds:Capabilities><tt:Device><tt:XAddr>${base}/device_service</tt:XAddr></tt:Device>` +
        `<tt:Media><tt:XAddr>${base}/media</tt:XAddr></tt:Media></tds:Capabilities>`,
      GetProfiles:
        '<trt:Profiles token="1.10" fixed="true"><tt:Name>Main</tt:Name><tt:VideoSourceConfiguration token="V">' +
        '<tt:Name>V</tt:Name><tt:SourceToken>S</tt:SourceToken></tt:VideoSourceConfiguration>' +
        '<tt:VideoEncoderConfiguration token="E"><tt:Name>E</tt:Name><tt:Encoding>H264</tt:Encoding>' +
        '</tt:VideoEncoderConfiguration></trt:Profiles>',
      GetVideoSources: '<trt:VideoSources token="S"><tt:Framerate>25</tt:Framerate></trt:VideoSources>',
      GetStreamUri: '<trt:MediaUri><tt:Uri>rtsp://127.0.0.1/main</tt:Uri></trt:MediaUri>',
    };
    const verb = Object.keys(answers).find((verb) => asked.includes(`<${verb}`));
    if (verb === 'GetStreamUri') console.log('asked for', /ProfileToken[^>]*>([^<]*)/.exec(asked)[1]);
    if (!verb) response.statusCode = 400;
    const prefix = /Profiles|Video|Stream/.test(verb) ? 'trt' : 'tds';
    const body = verb ? `<${prefix}:${verb}Response>${answers[verb]}</${prefix}:${verb}Response>` : '<s:Fault/>';
    response.setHeader('Content-Type', 'application/soap+xml');
    response.end(envelope(body));
  });
});
const call = (cam, name, ...args) =>
  new Promise((resolve, reject) => cam[name](...args, (error, value) => (error ? reject(error) : resolve(value))));
setTimeout(() => process.exit(1), 20000).unref();
device.listen(0, '127.0.0.1', () => {
  new Cam({ hostname: '127.0.0.1', port: device.address().port }, async function (error) {
    if (error) throw error;
    const { firmwareVersion, serialNumber, hardwareId } = await call(this, 'getDeviceInformation');
    console.log('firmware', firmwareVersion, 'serial', serialNumber, 'hardware', hardwareId);
    const [profile] = await call(this, 'getProfiles');
    console.log('token', profile.$.token);
    await call(this, 'getStreamUri', { protocol: 'RTSP', profileToken: profile.$.token });
    console.log('clock', (await call(this, 'getSystemDateAndTime')).toISOString());
    process.exit();
  });
});
EOF
node run.js | tee seen
cat >expected <<'EOF'
firmware 5.1 serial 12345678901234567000 hardware 0088
token 1.1
asked for 1.1
clock 2026-07-18T14:03:29.000Z
EOF
cmp -s seen expected || { echo "changed: onvif 0.8.3 reads answers in another way"; exit 1; }
echo "as found: strings became numbers, local time became UTC"

# shellcheck shell=sh
# Cameras, what they have recorded, and an S3 server: all that tests/demo needs around the program. Sourced by it.
# $work is its temporary directory, $simulators where the simulated cameras were built; it reads the addresses set here.
# shellcheck disable=SC2154,SC2034

# `serve NAME COMMAND…` starts a server whose log is $work/NAME.log and whose process is remembered.
serve() {
    name=$1
    shift
    # Their standard input stays open: the RTSP server ends when its does.
    [ -p "$work/never" ] || mkfifo "$work/never"
    "$@" <>"$work/never" >"$work/$name.log" 2>"$work/$name.errors" &
    servers="${servers-} $!"
    eval "pid_of_$name=$!"
}

# `answer_of NAME SED-SCRIPT` waits until a server has said where it is.
answer_of() {
    eval "pid=\$pid_of_$1"
    until answer=$(sed -n "$2" "$work/$1.log") && [ -n "$answer" ]; do
        kill -0 "$pid" 2>/dev/null || fail "$1 does not start: $(cat "$work/$1.errors")"
        sleep 0.05
    done
    echo "$answer"
}

end_servers() {
    for pid in ${servers-}; do kill "$pid" 2>/dev/null || true; done
    servers=
}

# The checksum of a GPS sentence: all its bytes, XORed.
checksum() {
    rest=$1 sum=0
    while [ -n "$rest" ]; do
        tail=${rest#?}
        sum=$((sum ^ $(printf '%d' "'${rest%"$tail"}")))
        rest=$tail
    done
    printf '%02X' "$sum"
}

# `drive CARD 'yesterday 13:15' N` leaves on the card what a dashcam with a front and a rear lens leaves of five seconds.
drive() {
    card=$1 began=$(date -d "$2" +%s)
    name=$(date -d "$2" +%Y%m%d_%H%M%S)_$3
    for lens in F R; do
        {
            ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=1280x720:rate=30:duration=5 \
                -c:v libx264 -preset ultrafast -b:v 2M -minrate 2M -maxrate 2M -bufsize 1M -pix_fmt yuv420p \
                "$card/$name$lens.mp4"
            ffmpeg -nostdin -v error -i "$card/$name$lens.mp4" -frames:v 1 -vf scale=320:-1 -f mjpeg "$card/$name$lens.thm"
        } &
    done
    for second in 0 1 2 3 4; do
        fix=$(date -u -d "@$((began + second))" +GNRMC,%H%M%S.00,A,4807.038,N,01131.0$second,E,022.4,084.4,%d%m%y,,,A)
        printf '[%s000]$%s*%s\r\n' "$((began + second))" "$fix" "$(checksum "$fix")"
    done >"$card/$name.gps"
    # Ten times a second: u32 milliseconds, then three i16 in 1/128 g; here the camera stands still.
    for tenth in 0 1 2 3 4 5 6 7 8 9; do
        millis=$((tenth * 100))
        # shellcheck disable=SC2059 # the format is made here
        printf "\\0\\0\\$(printf %03o $((millis / 256)))\\$(printf %03o $((millis % 256)))\\0\\0\\0\\0\\0\\200"
    done >"$card/$name.3gf"
    wait
}

# A dashcam that gives what is on the card, at so many bytes in a second.
start_dashcam() {
    serve dashcam "$simulators/dashcam-simulator" --dir "$1" --rate "$2"
    dashcam=$(answer_of dashcam 's/^listening on //p')
}

# Two cameras that have recorded to a share since seven this morning, or yesterday morning: one with a binary index,
# one with SQLite.
fill_hikvision_share() {
    day=today
    [ "$(date +%H%M)" -gt 0710 ] || day=yesterday
    "$simulators/hikvision-storage" mixed "$1/Camera-Tuin" 5 "$(date -d "$day 07:00" '+%F %T.250')"
    "$simulators/hikvision-storage" sqlite "$1/Camera-Oprit" 3 "$(date -d "$day 07:02" '+%F %T.250')"
}

# What an IP camera shows: 40 seconds of H.264 with a key frame each second, and the sound that most of them send.
film() {
    ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=1280x720:rate=15 -f lavfi -i sine=sample_rate=8000 -t 40 \
        -c:v libx264 -preset ultrafast -bf 0 -g 15 -sc_threshold 0 -x264-params repeat-headers=1 -pix_fmt yuv420p \
        -b:v 800k -maxrate 800k -bufsize 800k -c:a pcm_alaw "$1"
}

# An RTSP camera that shows the film to who knows the password, and one that sends JPEG after JPEG.
start_ip_cameras() {
    # Debian's own python3 has Debian's modules.
    serve rtsp /usr/bin/python3 tests/support/rtsp/server.py --user "viewer:$2" "/yard=$1,alaw"
    serve mjpeg "$simulators/mjpeg-camera"
    # Its second port is the one that asks for the password.
    rtsp_port=$(answer_of rtsp '2p')
    mjpeg=$(answer_of mjpeg 's/^listening on //p')
}

# An S3 server that keeps its buckets as folders, and the files in which the AWS CLI too would look for its address and keys.
start_s3() {
    mkdir -p "$1/my-bucket"
    s3s_fs=${CARGO_TARGET_DIR:-target}/tools/bin/s3s-fs
    [ -x "$s3s_fs" ] || s3s_fs=s3s-fs
    RUST_LOG=s3s_fs=info serve s3 "$s3s_fs" --host 127.0.0.1 --port 0 --access-key AKIADEMO --secret-key "$2" "$1"
    endpoint=$(answer_of s3 's|.*server is running at \(http://[0-9.:]*\).*|\1|p')
    : >"$work/credentials"
    chmod 600 "$work/credentials"
    printf '[demo]\naws_access_key_id = AKIADEMO\naws_secret_access_key = %s\n' "$2" >"$work/credentials"
    printf '[profile demo]\nregion = us-east-1\nendpoint_url = %s\n' "$endpoint" >"$work/config"
    export AWS_SHARED_CREDENTIALS_FILE="$work/credentials" AWS_CONFIG_FILE="$work/config"
}

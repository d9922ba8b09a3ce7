#!/bin/sh
# The lab on a throwaway machine: a Telegram with a CA of its own, and stubs in place of the agents.
set -eu
install -d /opt/lab/tls /opt/lab/state
install -d -m 1777 /var/tmp/agents
cd /opt/lab/tls
if [ ! -e cert.pem ]; then
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=lab CA" \
        -keyout ca.key -out ca.pem -addext basicConstraints=critical,CA:TRUE \
        -addext keyUsage=critical,keyCertSign 2>/dev/null
    openssl req -newkey rsa:2048 -nodes -subj "/CN=api.telegram.org" \
        -keyout key.pem -out request.pem 2>/dev/null
    printf '%s\n' subjectAltName=DNS:api.telegram.org basicConstraints=CA:FALSE \
        extendedKeyUsage=serverAuth >extensions
    openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
        -extfile extensions -out cert.pem 2>/dev/null
    chmod 0644 ca.pem
fi
grep -q api.telegram.org /etc/hosts || echo "127.0.0.1 api.telegram.org" >>/etc/hosts
cat >/etc/systemd/system/lab-telegram.service <<'UNIT'
[Service]
ExecStart=/usr/bin/python3 /opt/lab/telegram.py serve
Restart=always
UNIT
systemctl daemon-reload
systemctl restart lab-telegram.service
for name in claude codex goose gh; do
    rm -f "/usr/local/bin/$name"
    install -m 0755 /opt/lab/agent.py "/usr/local/bin/$name"
done
for _ in 1 2 3 4 5 6 7 8 9 10; do
    python3 /opt/lab/telegram.py mark >/dev/null 2>&1 && exit 0
    sleep 1
done
python3 /opt/lab/telegram.py mark

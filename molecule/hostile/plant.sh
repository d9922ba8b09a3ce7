# Plant programs that record the user who runs them and then go on. A hostile user runs this.
# $1: the OS user that runs it.
set -eu
umask 022
notes='/usr/bin/id -u >>/tmp/ran-as'
cd
mkdir -p bin .local/bin .pip .config/pip .config/uv work/.git/hooks \
    .local/lib/python3.13/site-packages

for name in .profile .bash_profile .bash_login .bashrc .zshenv; do
    # shellcheck disable=SC2016 # the shell that reads the file expands it
    printf '%s\n' "$notes" 'PATH="$HOME/bin:$HOME/.local/bin:$PATH"' >"$name"
done

for name in sudo git python3 systemctl cat tee kill visudo uv pip node; do
    # shellcheck disable=SC2016 # the shell that runs the file expands it
    printf '%s\n' '#!/bin/sh' "$notes" 'PATH=/usr/sbin:/usr/bin:/usr/local/bin' \
        'exec "${0##*/}" "$@"' >"bin/$name"
    chmod 0755 "bin/$name"
done
cp bin/* .local/bin
cp bin/git work/.git/hooks/post-checkout

for name in sitecustomize usercustomize; do
    printf '%s\n' 'import os' 'os.system("/usr/bin/id -u >>/tmp/ran-as")' \
        >".local/lib/python3.13/site-packages/$name.py"
done
for name in .pip/pip.conf .config/pip/pip.conf; do
    printf '%s\n' '[global]' 'index-url = http://127.0.0.1:9/planted' >"$name"
done
printf '%s\n' 'index-url = "http://127.0.0.1:9/planted"' >.config/uv/uv.toml
printf '%s\n' 'default login planted password planted' >.netrc
printf '%s\n' '[defaults]' "remote_tmp = /home/$1/tmp" >.ansible.cfg
printf '%s\n' '[core]' "fsmonitor = $notes; false" "hooksPath = /home/$1/work/.git/hooks" >.gitconfig

# names that root might use
cd /tmp
for name in kai kai-ansible kai-sudoers kai.tar.gz ansible .ansible; do
    [ -L "$name" ] || ln -s /root/of-root "$name"
    ln -s /root/of-root "$name-$1"
done

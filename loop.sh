cd /work/w/four
i=0
while [ $(date +%H%M) -lt 1034 ]; do i=$((i+1)); .venv/bin/python -m pytest -q -x -p no:cacheprovider tests/faults/test_four_hosts.py >/tmp/four.$1.$i.log 2>&1 && echo ok >>/tmp/four.ok && rm /tmp/four.$1.$i.log; echo "$1.$i $(date +%T)" >>/tmp/four.log; done

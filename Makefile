# The course's make targets. Each is one command of labrunner, which shows the commands that it stands for before it runs them.
#
#   make up                         the course's environment: six nodes, three masters and three replicas
#   make scale-down NODE=7007       variables are said behind the target

# The labrunner on the PATH, or else the one of this checkout.
LABRUNNER ?= $(shell command -v labrunner >/dev/null 2>&1 && echo labrunner || echo cargo run --quiet --release --)

# What is said for a variable reaches labrunner as it was said, and nobody else: neither make nor the shell reads anything into it. So it is
# never expanded here (`value`), and the shell gets it through the environment.
override NODE := $(value NODE)
override LAB := $(value LAB)
override USERS := $(value USERS)
override SEATS := $(value SEATS)
export NODE LAB USERS SEATS

.PHONY: help up down status cluster-nodes cluster-info watch-cluster failover recover scale-add-replica scale-down load-test
.SILENT:

help:
	echo 'make up                    make the environment; LAB=labs/07-scale-down.yaml for what a lab starts from'
	echo 'make status                say how it is'
	echo 'make down                  remove it'
	echo 'make cluster-nodes         every node, as one of them sees it'
	echo 'make cluster-info          how the cluster is'
	echo 'make watch-cluster         a picture of the cluster, drawn every second until Ctrl-C'
	echo 'make failover              stop redis-1, a master; NODE=7002 for another'
	echo 'make recover               start it again; NODE=7002 for another'
	echo 'make scale-add-replica     let redis-8 join as a replica of redis-7'
	echo 'make scale-down NODE=7007  move all slots of a master to the others'
	echo 'make load-test             let 50 users at once want 2 seats each; USERS=100 SEATS=1 for others'

up:
	$(LABRUNNER) up $${LAB:+-- "$$LAB"}

status:
	$(LABRUNNER) status

down:
	$(LABRUNNER) down

cluster-nodes:
	$(LABRUNNER) cluster nodes

cluster-info:
	$(LABRUNNER) cluster info

watch-cluster:
	$(LABRUNNER) cluster watch

failover:
	$(LABRUNNER) cluster failover $${NODE:+-- "$$NODE"}

recover:
	$(LABRUNNER) cluster recover $${NODE:+-- "$$NODE"}

scale-add-replica:
	$(LABRUNNER) cluster add-replica

scale-down:
	$(LABRUNNER) cluster scale-down -- "$$NODE"

load-test:
	$(LABRUNNER) cluster load-test $${USERS:+"--users=$$USERS"} $${SEATS:+"--seats=$$SEATS"}

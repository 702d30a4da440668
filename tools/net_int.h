/* net_int.h - coppice net VERB: a function a verb, each an exit status. */
#ifndef COPPICE_NET_INT_H
#define COPPICE_NET_INT_H

int net_show(int argc, char **argv);
int net_explain(int argc, char **argv);
int net_diff(int argc, char **argv);
int net_flows(int argc, char **argv);
int net_denials(int argc, char **argv);
int net_counters(int argc, char **argv);
int net_capture(int argc, char **argv);

/* The verbs and their arguments; 2, for main to return. */
int net_usage(void);

#endif

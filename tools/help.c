/* SPDX-License-Identifier: MIT
 *
 * The help texts of the leat command.
 *
 * Happy path: lti_tool_help_print writes the text of one command, or the overview.
 *
 * Fails: never; errors of the stream are found by lti_tool_output_check.
 *
 * Invariants: every command's text has its synopsis, its options and an example.
 */
#include "tool.h"

static const char help_overview[] =
    "leat: talk to another process on the same machine\n"
    "\n"
    "  leat serve NAME       make a name and serve who connects\n"
    "  leat connect NAME     standard input to the peer, its answer to standard output\n"
    "  leat send NAME TEXT   send something, print the replies\n"
    "  leat wait-for NAME    wait until somebody listens\n"
    "  leat path NAME        show where a name is\n"
    "  leat who NAME         show who serves a name, and whether leat would trust it\n"
    "  leat doctor NAME      say why a connect fails, and what to change\n"
    "  leat version          show the version\n"
    "  leat help [COMMAND]   show this, or a command's help (also: leat COMMAND --help)\n"
    "\n"
    "A NAME is a plain name such as mail (private to this user), a path such as /run/x.sock or\n"
    "unix:/run/x.sock, or an abstract name such as unix:@x (Linux); on Windows a plain name, or a\n"
    "pipe such as \\\\.\\pipe\\x or pipe:x.\n"
    "\n"
    "Try it, in two terminals:\n"
    "  leat serve hello --echo\n"
    "  leat send hello \"good morning\" --expect 1\n"
    "\n"
    "Exit codes: 0 ok, 1 other, 2 usage, 3 not found, 4 refused, 5 permission, 6 timeout,\n"
    "7 busy or in use, 8 protocol, 9 the peer closed before all was said.\n";

static const char help_common[] =
    "  --bytes              a plain stream, talks to any program (default)\n"
    "  --messages           whole messages, between programs that use leat\n"
    "  --who POLICY         who may be at the other end: same-user (default), admin, group:G,\n"
    "                       list:U,U (names or numbers; Windows: or SIDs); root and SYSTEM always\n"
    "                       may\n"
    "  --insecure-anyone    do not check who the peer is\n";

static const char help_quiet[] =
    "  --quiet              no notes and no progress on standard error\n";

static const char help_serve[] =
    "leat serve NAME [--echo | --exec CMD] [options]\n"
    "\n"
    "Makes the name and serves. Without --echo and --exec the first client gets standard input,\n"
    "and what it sends goes to standard output; then leat ends, with code 9 when the client did\n"
    "not take all of standard input (see leat connect --help). SIGINT, SIGTERM and SIGHUP end\n"
    "leat (Windows: Ctrl-C and Ctrl-Break); the name is removed.\n"
    "\n"
    "  --echo               give every client back what it sends\n"
    "  --exec CMD           run CMD by the shell (Windows: cmd.exe) for every client, its input "
    "and\n"
    "                       output connected\n"
    "  --keep-open          standard input and output serve one client after another\n"
    "  --after-end TIME     as with connect; a server that sent nothing waits for its client\n"
    "  --line               with --messages, each line is a message; else a missing newline at\n"
    "                       the end is added\n"
    "  --stall TIME         cut off a client that takes nothing for so long (default 30s with\n"
    "                       --echo and --exec, else forever)\n"
    "  --who ask            show who comes at the terminal, and let in whom you say y to\n"
    "                       within 60s\n"
    "  --sddl TEXT          Windows: the pipe's security descriptor, such as D:P(A;;GA;;;OW);\n"
    "                       --who judges whom it lets reach us\n";

static const char help_connect[] =
    "leat connect NAME [options]\n"
    "\n"
    "Sends standard input to the peer and writes what it says to standard output. At the end of\n"
    "input the peer is told (half-close); leat ends when the peer does. A plain stream over a\n"
    "Windows pipe has no half-close: there leat also ends when nothing comes for --after-end.\n"
    "\n"
    "A peer that closes before it has taken all of standard input is exit code 9. When it closes\n"
    "before the end of input, leat waits 2s for that end, which makes it 0; more input, or none\n"
    "and no end, is 9. What is typed at a terminal needs no end.\n"
    "\n"
    "  --after-end TIME     after the end of input, end when nothing comes for so long (default\n"
    "                       forever, and 2s where the peer cannot be told)\n"
    "  --wait               when nobody listens yet, wait for it until the timeout\n"
    "  --timeout TIME       for connecting (default 5s): 500ms, 2s, 1m, forever\n"
    "  --line               with --messages, each line is a message; else a missing newline at\n"
    "                       the end is added\n"
    "  --stall TIME         give up on a peer that takes nothing for so long (default forever)\n";

static const char help_send[] =
    "leat send NAME TEXT... [options]\n"
    "\n"
    "Sends each TEXT, then prints the replies, one a line. With --messages each TEXT is a message\n"
    "and so is a reply. With --line each TEXT is sent as a line and a reply is a line. With\n"
    "--bytes the TEXTs are sent as they are, then the peer is told that this was all\n"
    "(half-close), and a reply ends at a newline or where the peer ends; over a Windows pipe, "
    "which\n"
    "has no half-close, also where nothing more comes for --after-end.\n"
    "\n"
    "  --after-end TIME     a reply without a newline ends when nothing comes for so long "
    "(default\n"
    "                       forever, and 2s where the peer cannot be told)\n"
    "  --expect N           print N replies, else fail (default 0)\n"
    "  --timeout TIME       for everything together (default 5s): 500ms, 2s, 1m, forever\n"
    "  --wait               when nobody listens yet, wait for it until the timeout\n"
    "  --line               lines\n"
    "  --json               one object a line: {\"n\":1,\"size\":2,\"reply\":\"ok\"}\n";

static const char help_wait_for[] =
    "leat wait-for NAME [options] [-- CMD...]\n"
    "\n"
    "Waits until somebody listens at the name, then ends, or becomes CMD. It looks by connecting\n"
    "once and leaving at once; a server for a single client takes that for its client (use\n"
    "leat connect --wait with those).\n"
    "\n"
    "  --timeout TIME       how long (default 5s): 500ms, 2s, 1m, forever\n"
    "  --json               one object: {\"name\":\"mail\",\"listening\":true,\"waited_ms\":3}\n"
    "  --insecure-anyone    do not check that the peer is the same user\n"
    "\n"
    "Example:\n"
    "  leat wait-for mail --timeout 10s -- leat connect mail\n";

static const char help_path[] =
    "leat path NAME [--json]\n"
    "\n"
    "Prints the path of a name, on Windows that of its pipe, for programs that know nothing of\n"
    "leat; an abstract name is printed with a leading @.\n"
    "\n"
    "  --json               "
    "{\"name\":\"web\",\"address\":\"unix:/run/...\",\"path\":\"/run/...\"}\n"
    "\n"
    "Example:\n"
    "  curl --unix-socket \"$(leat path web)\" http://localhost/\n";

static const char help_who[] =
    "leat who NAME [options]\n"
    "\n"
    "Connects, shows who serves the name as the system says, and leaves without having sent a "
    "byte.\n"
    "Then says whether leat would trust it: by default, and by --who when it is given. The exit\n"
    "code is 0 when it would, 5 when not, 3 or 4 when nobody is there.\n"
    "\n"
    "  --who POLICY         same-user (default), admin, group:G, list:U,U\n"
    "  --timeout TIME       for connecting (default 5s): 500ms, 2s, 1m, forever\n"
    "  --json               one object: {\"name\":\"mail\",...,\"uid\":1000,\"trusted\":true,...}\n"
    "\n"
    "Example:\n"
    "  leat who mail --who group:adm\n";

static const char help_doctor[] =
    "leat doctor NAME [options]\n"
    "\n"
    "Looks at what stands at the name and on the way to it, connects as leat connect would, and\n"
    "says in plain words why that fails and what to change. It changes nothing and sends nothing.\n"
    "The exit code is that of the connect: 0 it works, 5 not trusted, 3 or 4 nobody is there; or "
    "9,\n"
    "when the server closes at once.\n"
    "\n"
    "  --who POLICY         as with connect\n"
    "  --insecure-anyone    as with connect\n"
    "  --timeout TIME       for connecting (default 5s): 500ms, 2s, 1m, forever\n"
    "  --json               one object: "
    "{\"name\":\"mail\",...,\"findings\":[{\"id\":\"stale\",...}]}\n"
    "\n"
    "Example:\n"
    "  leat doctor mail\n";

static const char help_version[] = "leat version [--json]\n"
                                   "\n"
                                   "Prints the version.\n"
                                   "\n"
                                   "Example:\n"
                                   "  leat version --json\n";

void lti_tool_help_print(FILE *to, enum lti_tool_command command)
{
    switch (command) {
    case LTI_TOOL_SERVE:
        fputs(help_serve, to);
        fputs(help_common, to);
        fputs(help_quiet, to);
        fputs("\nExamples:\n"
              "  leat serve hello --echo\n"
              "  leat serve sorted --exec sort\n"
              "  leat serve file < report.pdf\n",
              to);
        break;
    case LTI_TOOL_CONNECT:
        fputs(help_connect, to);
        fputs(help_common, to);
        fputs(help_quiet, to);
        fputs("\nExample:\n  leat connect file --wait > report.pdf\n", to);
        break;
    case LTI_TOOL_SEND:
        fputs(help_send, to);
        fputs(help_common, to);
        fputs("\nExample:\n  leat send hello \"good morning\" --expect 1 --timeout 4s\n", to);
        break;
    case LTI_TOOL_WAIT_FOR:
        fputs(help_wait_for, to);
        break;
    case LTI_TOOL_PATH:
        fputs(help_path, to);
        break;
    case LTI_TOOL_WHO:
        fputs(help_who, to);
        break;
    case LTI_TOOL_DOCTOR:
        fputs(help_doctor, to);
        break;
    case LTI_TOOL_VERSION:
        fputs(help_version, to);
        break;
    default:
        fputs(help_overview, to);
        break;
    }
}

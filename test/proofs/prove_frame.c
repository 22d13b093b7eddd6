/* SPDX-License-Identifier: MIT
 *
 * frame.c: the lengths of control frames, and what codes of CLOSE mean.
 */
#include "proofs.h"

#include "frame.h"

/*@ assigns \nothing;
    ensures type == 2 ==> \result == 0;
    ensures type == 3 ==> \result == 1;
    ensures type == 4 || type == 5 ==> \result == 8;
    ensures (type < 2 || type > 5) <==> \result == -1; */
static int64_t frame_control_size(uint8_t type);

/* No code that a peer sends becomes OK. */
/*@ assigns \nothing;
    ensures \result != LEAT_OK;
    ensures code == 0 <==> \result == LEAT_E_CLOSED;
    ensures code == 1 || code > 5 ==> \result == LEAT_E_PROTOCOL; */
enum leat_error lti_close_code_error(uint8_t code);

/*@ assigns \nothing;
    ensures 0 <= \result <= 5;
    ensures \result == 0 <==>
        error == LEAT_OK || error == LEAT_E_CLOSED || error == LEAT_E_FINISHED; */
uint8_t lti_close_code_for(enum leat_error error);

#include "../../src/frame.c"

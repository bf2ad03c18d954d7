#include "COpenMM.h"

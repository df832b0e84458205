// says: this class cannot be sent, since it has constructors or private members
#include "core/api/encode.h"

class Account {
 public:
  explicit Account(int balance) : balance_(balance) {}
  int balance() const { return balance_; }

 private:
  int balance_;
};

std::size_t size(const std::vector<Account>& accounts) { return alnilam::encodedSize(accounts); }

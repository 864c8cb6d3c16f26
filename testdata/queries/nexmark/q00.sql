-- Pass through: what the machinery costs.
SELECT auction, bidder, price, date_time, extra FROM bid

# Dates at sites from instants: day 1, the date of a study day, the same day some months later.
# Run: Rscript visit_dates.R > visit_dates.csv   (base R alone; zones from the system's database)
set.seed(20261121)
zones <- c("Etc/UTC", "Pacific/Kiritimati", "Etc/GMT-14", "Etc/GMT+12", "Pacific/Pago_Pago", "Asia/Kolkata",
           "Asia/Kathmandu", "Asia/Shanghai", "Europe/Paris", "Europe/London", "America/Toronto",
           "America/Los_Angeles", "America/St_Johns", "Australia/Sydney", "Australia/Lord_Howe",
           "America/Sao_Paulo", "Pacific/Apia", "Africa/Johannesburg")
n <- 1000
begins <- as.Date(c("2024-02-29", "2023-02-28", "2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01",
                    "2025-12-31", "2024-01-31", "2026-08-31", "2018-11-04", "2011-12-30"))
base <- ifelse(seq_len(n) %% 2 == 0, as.numeric(sample(begins, n, TRUE)),
               sample(as.numeric(as.Date("2010-01-01")):as.numeric(as.Date("2035-12-31")), n, TRUE))
instant <- as.POSIXct(base * 86400 + sample(-50400:136800, n, TRUE), origin = "1970-01-01", tz = "UTC")
zone <- sample(zones, n, TRUE)
study_day <- sample(c(-28, -1, 1, 31, 62, 92, 184, 366, 731, 1097), n, TRUE)
months <- sample(c(1:12, 24, 36, 48), n, TRUE)
day_one <- as.Date(mapply(function(t, z) format(as.POSIXct(t, origin = "1970-01-01", tz = "UTC"), tz = z, "%Y-%m-%d"),
                          as.numeric(instant), zone))
date <- day_one + ifelse(study_day > 0, study_day - 1, study_day)
last_of_month <- function(first) seq(first, by = "month", length.out = 2)[2] - 1
later <- function(d, k) {
  first <- seq(as.Date(format(d, "%Y-%m-01")), by = "month", length.out = k + 1)[k + 1]
  min(first + as.integer(format(d, "%d")) - 1, last_of_month(first))
}
months_later <- as.Date(mapply(function(d, k) later(as.Date(d, origin = "1970-01-01"), k), as.numeric(day_one), months),
                        origin = "1970-01-01")
write.csv(data.frame(instant = format(instant, "%Y-%m-%dT%H:%M:%SZ"), zone, study_day, months,
                     day_one, date, months_later), stdout(), row.names = FALSE, quote = FALSE)
